//! How several transfers share a host, and how one rests.

use crate::driven::{Driven, T, abandons, fetches};
use std::collections::BTreeMap;
use swarm_core::{Config, Input, Message, Output, Peer, PieceSet, Role, Ticket, TransferId};

/// A host in so many transfers, each with one neighbour that has everything.
fn busy_host(transfers: u32, pieces: u32) -> Driven {
    let mut host = Driven::host(pieces);
    for transfer in (0..transfers).map(TransferId) {
        host.tell(Input::TransferStarted {
            transfer,
            pieces,
            piece_bytes: 1 << 20,
            have: PieceSet::empty(pieces),
            role: Role::Host,
        });
    }
    host
}

fn meet(host: &mut Driven, transfer: TransferId, peer: u32, pieces: u32) -> Vec<Output> {
    let mut outputs = host.tell(Input::PeerJoined {
        transfer,
        peer: Peer(peer),
        role: Role::Host,
    });
    let pieces = PieceSet::full(pieces);
    outputs.extend(host.tell(Input::Message {
        transfer,
        peer: Peer(peer),
        message: Message::Have { pieces },
    }));
    outputs
}

/// Which transfers get how many of `fetches` pieces, each brought as soon as it is asked for.
fn shares(host: &mut Driven, transfers: u32, pieces: u32, fetches: usize) -> BTreeMap<u32, usize> {
    let mut outputs = Vec::new();
    for transfer in 0..transfers {
        for peer in 0..8 {
            outputs.extend(meet(host, TransferId(transfer), 100 * transfer + peer, pieces));
        }
    }
    let mut counts = BTreeMap::new();
    let mut queue: std::collections::VecDeque<Output> = outputs.into();
    while let Some(output) = queue.pop_front() {
        if let Output::Fetch {
            transfer,
            peer,
            piece,
        } = output
        {
            *counts.entry(transfer.0).or_default() += 1;
            if counts.values().sum::<usize>() == fetches {
                break;
            }
            host.now.0 += 10_000;
            queue.extend(host.tell(Input::Stored {
                transfer,
                piece,
                peer,
            }));
        }
    }
    counts
}

#[test]
fn transfers_share_by_priority_and_none_starves() {
    let pieces = 2000;
    let mut host = busy_host(3, pieces);
    host.tell(Input::Prioritised {
        transfer: TransferId(2),
        priority: 6,
    });
    host.tell(Input::Prioritised {
        transfer: TransferId(0),
        priority: 0,
    });
    let counts = shares(&mut host, 3, pieces, 800);
    for (transfer, weight) in [(0, 1), (1, 1), (2, 6)] {
        let share = counts[&transfer] as f64 / 800.0 * 8.0;
        assert!((share - f64::from(weight)).abs() < 0.5, "{counts:?}");
    }
}

#[test]
fn more_transfers_than_fetches_all_get_on_and_the_limit_holds() {
    let transfers = Config::default().transfers_max as u32 - 1;
    let mut host = busy_host(transfers, 50);
    let counts = shares(&mut host, transfers, 50, 300);
    assert_eq!(counts.len(), transfers as usize);
    assert!(counts.values().all(|&count| count >= 10), "{counts:?}");
    assert!(host.node.load().in_flight <= Config::default().fetches_max);
}

#[test]
fn a_transfer_that_has_nothing_to_ask_leaves_its_share_to_others() {
    let mut host = busy_host(2, 100);
    for peer in 0..8 {
        meet(&mut host, TransferId(0), peer, 100);
    }
    assert!(host.node.load().in_flight > Config::default().fetches_min / 2);
}

#[test]
fn a_paused_transfer_neither_asks_nor_serves_and_goes_on_where_it_was() {
    let mut host = Driven::host(3);
    host.join(1, 3, &[0, 1, 2]);
    host.stored(0, 1);
    let in_flight = host.node.load().in_flight;
    let outputs = host.tell(Input::Paused {
        transfer: T,
        paused: true,
    });
    assert_eq!(abandons(&outputs).len(), in_flight);
    assert!(fetches(&host.join(2, 3, &[1, 2])).is_empty());
    assert_eq!(
        host.requested(2, 0, 1),
        [Output::Refuse { ticket: Ticket(1) }],
        "it holds that piece"
    );
    let outputs = host.tell(Input::Paused {
        transfer: T,
        paused: false,
    });
    assert!(!fetches(&outputs).is_empty());
    assert!(fetches(&outputs).iter().all(|(_, piece)| *piece != 0));
    assert_eq!(host.requested(2, 0, 2), [Output::Serve { ticket: Ticket(2) }]);
}

#[test]
fn rarity_counts_the_copies_among_the_neighbours() {
    let mut host = Driven::host(5);
    assert_eq!(host.node.rarity(T), Some(vec![5]));
    host.join(1, 5, &[0, 1, 2]);
    host.join(2, 5, &[0, 1]);
    host.join(3, 5, &[0]);
    assert_eq!(host.node.rarity(T), Some(vec![2, 1, 1, 1]));
    assert_eq!(host.node.rarity(TransferId(99)), None);
}

#[test]
fn a_clock_that_jumps_stops_nothing() {
    let mut host = Driven::host(4);
    host.join(1, 4, &[0, 1, 2, 3]);
    host.join(2, 4, &[]);
    host.now.0 += 3_600_000_000;
    host.stored(0, 1);
    host.now.0 = 5;
    host.stored(1, 1);
    let announced = host.wait(1);
    assert!(
        !crate::driven::gained(&announced).is_empty(),
        "timers fire in the driver's new time: {announced:?}"
    );
}
