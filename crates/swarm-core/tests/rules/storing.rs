//! What is pulled from the region's store, and when.

use crate::driven::{Driven, T, abandons, fetches};
use std::collections::BTreeSet;
use swarm_core::{BanReason, Input, Miss, Output, Peer, PieceSet};

const STORE: u32 = 1000;

fn offer(host: &mut Driven, pieces: u32, share: &[u32]) -> Vec<Output> {
    let mut set = PieceSet::empty(pieces);
    share.iter().for_each(|&piece| assert!(set.insert(piece)));
    host.tell(Input::StoreOffered {
        transfer: T,
        peer: Peer(STORE),
        share: set,
    })
}

fn missed(host: &mut Driven, piece: u32) -> Vec<Output> {
    host.tell(Input::Missed {
        transfer: T,
        piece,
        peer: Peer(STORE),
        reason: Miss::TimedOut,
    })
}

#[test]
fn a_host_pulls_its_share_a_few_at_a_time_and_nothing_else() {
    let mut host = Driven::host(20);
    let mut asked: Vec<_> = fetches(&offer(&mut host, 20, &[3, 7, 11, 15]));
    assert_eq!(asked.len(), 2, "two at a time");
    let mut pulled = BTreeSet::new();
    while let Some((peer, piece)) = asked.pop() {
        assert_eq!(peer, STORE);
        pulled.insert(piece);
        asked.extend(fetches(&host.stored(piece, STORE)));
    }
    assert_eq!(pulled, BTreeSet::from([3, 7, 11, 15]));
}

#[test]
fn nothing_is_sent_to_the_store() {
    let mut host = Driven::host(4);
    host.join(1, 4, &[]);
    let mut outputs = offer(&mut host, 4, &[0, 1]);
    outputs.extend(host.stored(0, STORE));
    outputs.extend(host.wait(5));
    let to_store = |output: &Output| matches!(output, Output::Send { peer, .. } if peer.0 == STORE);
    assert!(!outputs.iter().any(to_store), "{outputs:?}");
}

#[test]
fn the_share_leaves_room_for_neighbours() {
    let mut host = Driven::host(20);
    let asked = fetches(&offer(&mut host, 20, &(0..20).collect::<Vec<_>>()));
    assert_eq!(asked.len(), 2);
    let all: Vec<u32> = (0..20).collect();
    assert!(
        fetches(&host.join(1, 20, &all))
            .iter()
            .all(|(peer, _)| *peer == 1)
    );
}

#[test]
fn a_host_that_nobody_can_help_pulls_everything_one_by_one() {
    let pieces = 30;
    let mut host = Driven::host(pieces);
    assert!(fetches(&offer(&mut host, pieces, &[])).is_empty(), "not at once");
    let mut outputs = host.wait(20);
    for _ in 0..pieces {
        let asked = fetches(&outputs);
        assert_eq!(asked.len(), 1, "one at a time");
        outputs = host.stored(asked[0].1, STORE);
    }
    assert!(outputs.contains(&Output::Completed { transfer: T }));
}

#[test]
fn a_host_with_work_never_turns_to_the_store() {
    let mut host = Driven::host(4);
    host.join(1, 4, &[0]);
    assert!(fetches(&offer(&mut host, 4, &[])).is_empty());
    let stores = |outputs: &[Output]| fetches(outputs).iter().any(|(peer, _)| *peer == STORE);
    assert!(!stores(&host.wait(60)), "a piece is in flight all that time");
}

#[test]
fn hosts_that_lack_the_same_do_not_turn_to_the_store_together() {
    let waits = (0..2000).map(|seed| {
        let mut host = Driven::seeded(10, seed);
        offer(&mut host, 10, &[]);
        let mut seconds = 0;
        while fetches(&host.wait(1)).is_empty() {
            seconds += 1;
        }
        seconds
    });
    let waits: Vec<u32> = waits.collect();
    let first = *waits.iter().min().expect("some");
    let early = waits.iter().filter(|&&wait| wait <= first + 2).count();
    assert!(
        early < 40,
        "{early} of 2000 hosts turned to the store within two seconds"
    );
    assert!(waits.iter().all(|&wait| wait <= 17), "all do in the end");
}

#[test]
fn a_store_that_fails_is_left_alone_longer_each_time_and_never_banned() {
    let mut host = Driven::host(3);
    let mut asked = fetches(&offer(&mut host, 3, &[0]));
    let mut rests = Vec::new();
    for _ in 0..6 {
        assert_eq!(asked, [(STORE, 0)]);
        asked = fetches(&missed(&mut host, 0));
        let since = host.now.0;
        while asked.is_empty() {
            asked = fetches(&host.wait(1));
        }
        rests.push((host.now.0 - since) / 1_000_000);
    }
    assert!(rests[5] >= 8 * rests[0], "{rests:?}");
    let outputs = host.tell(Input::Rejected {
        transfer: T,
        piece: 0,
        peer: Peer(STORE),
    });
    let ban = Output::Banned {
        transfer: T,
        peer: Peer(STORE),
        reason: BanReason::WrongPiece { piece: 0 },
    };
    assert!(!outputs.contains(&ban));
    assert_eq!(fetches(&host.wait(120)), [(STORE, 0)]);
}

#[test]
fn a_store_that_leaves_is_not_asked_and_its_pieces_are_open_to_neighbours() {
    let mut host = Driven::host(2);
    assert_eq!(fetches(&offer(&mut host, 2, &[1])), [(STORE, 1)]);
    host.tell(Input::PeerLeft {
        transfer: T,
        peer: Peer(STORE),
    });
    assert!(fetches(&host.wait(60)).is_empty());
    assert_eq!(fetches(&host.join(1, 2, &[1])), [(1, 1)]);
}

#[test]
fn another_store_replaces_the_one_before() {
    let mut host = Driven::host(2);
    offer(&mut host, 2, &[1]);
    let mut share = PieceSet::empty(2);
    share.insert(0);
    let outputs = host.tell(Input::StoreOffered {
        transfer: T,
        peer: Peer(STORE + 1),
        share,
    });
    assert_eq!(abandons(&outputs), [(STORE, 1)]);
    assert_eq!(fetches(&outputs), [(STORE + 1, 0)]);
}

#[test]
fn a_new_offer_of_the_same_store_ends_its_rest() {
    let mut host = Driven::host(2);
    assert_eq!(fetches(&offer(&mut host, 2, &[1])), [(STORE, 1)]);
    assert!(fetches(&missed(&mut host, 1)).is_empty(), "it rests");
    assert_eq!(fetches(&offer(&mut host, 2, &[1])), [(STORE, 1)]);
}
