//! Who is given what.

use crate::driven::{Driven, T, gained};
use std::collections::BTreeSet;
use swarm_core::{BanReason, Config, Input, Message, Output, Peer, PieceSet, Role, Ticket};

#[test]
fn requests_beyond_the_queue_are_refused_and_a_flood_of_them_is_banned() {
    let mut seed = Driven::start(Role::Host, 100, PieceSet::full(100));
    seed.join(1, 100, &[]);
    let config = Config::default();
    let mut outputs = Vec::new();
    for ticket in 0..99 {
        outputs.extend(seed.requested(1, ticket as u32, ticket));
    }
    let served = outputs
        .iter()
        .filter(|output| matches!(output, Output::Serve { .. }))
        .count();
    assert_eq!(served, config.upload_slots_per_peer);
    assert_eq!(seed.node.load().waiting, config.waiting_per_peer_max);
    let flood: Vec<_> = (99..2000)
        .flat_map(|ticket| seed.requested(1, 0, ticket))
        .collect();
    assert!(flood.contains(&Output::Banned {
        transfer: T,
        peer: Peer(1),
        reason: BanReason::Flood
    }));
    assert_eq!(seed.node.load().waiting, 0);
}

#[test]
fn a_free_slot_goes_to_whoever_lacks_most() {
    let mut seed = Driven::start(Role::Host, 80, PieceSet::full(80));
    seed.join(1, 80, &[]);
    seed.join(2, 80, &[]);
    seed.join(3, 80, &(0..50).collect::<Vec<_>>());
    seed.join(4, 80, &[0]);
    // All slots are busy with two neighbours.
    for (ticket, peer) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
        assert_eq!(
            seed.requested(peer, ticket as u32, ticket),
            [Output::Serve {
                ticket: Ticket(ticket)
            }]
        );
    }
    assert!(seed.requested(3, 7, 5).is_empty());
    assert!(seed.requested(4, 7, 6).is_empty());
    assert_eq!(
        seed.tell(Input::Served { ticket: Ticket(1) }),
        [Output::Serve { ticket: Ticket(6) }]
    );
}

#[test]
fn a_seed_offers_every_piece_once_before_any_twice() {
    let pieces = 40;
    let mut seed = Driven::start(Role::Seed, pieces, PieceSet::full(pieces));
    let mut offers = Vec::new();
    for peer in 0..4 {
        offers.extend(gained(&seed.join(peer, pieces, &[])));
    }
    let mut seen = BTreeSet::new();
    while let Some((peer, pieces)) = offers.pop() {
        for piece in pieces {
            assert!(seen.insert(piece), "piece {piece} was offered twice");
            offers.extend(gained(&seed.hear(
                peer,
                Message::Gained {
                    pieces: vec![piece],
                    held: 1,
                    waiting: 0,
                },
            )));
        }
    }
    assert_eq!(seen.len(), pieces as usize);
    seed.tell(Input::PeerJoined {
        transfer: T,
        peer: Peer(9),
        role: Role::Host,
    });
    let full = Message::Have {
        pieces: PieceSet::full(pieces),
    };
    seed.tell(Input::PeerLeft {
        transfer: T,
        peer: Peer(9),
    });
    let greeting = seed.tell(Input::PeerJoined {
        transfer: T,
        peer: Peer(9),
        role: Role::Host,
    });
    assert_eq!(
        greeting,
        [Output::Send {
            transfer: T,
            peer: Peer(9),
            message: full
        }]
    );
}

#[test]
fn what_a_dead_peer_was_offered_goes_to_another() {
    let mut seed = Driven::start(Role::Seed, 4, PieceSet::full(4));
    let offered: BTreeSet<u32> = gained(&seed.join(1, 4, &[]))
        .into_iter()
        .flat_map(|(_, it)| it)
        .collect();
    assert_eq!(offered.len(), 4);
    assert!(gained(&seed.join(2, 4, &[])).is_empty());
    let outputs = seed.tell(Input::PeerLeft {
        transfer: T,
        peer: Peer(1),
    });
    let again: BTreeSet<u32> = gained(&outputs).into_iter().flat_map(|(_, it)| it).collect();
    assert_eq!(again, offered);
}
