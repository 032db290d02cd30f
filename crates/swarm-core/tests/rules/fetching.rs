//! What a host asks for, of whom, and what it says about it.

use crate::driven::{Driven, T, abandons, fetches, gained};
use std::collections::BTreeSet;
use swarm_core::{Config, Input, Node, Output, PieceSet, Role, Time};

#[test]
fn a_piece_is_announced_only_once_it_is_on_disk() {
    let mut host = Driven::host(2);
    assert!(gained(&host.join(1, 2, &[0])).is_empty());
    assert!(gained(&host.join(2, 2, &[])).is_empty());
    assert_eq!(gained(&host.stored(0, 1)), [(2, vec![0])]);
}

#[test]
fn who_has_a_piece_is_told_of_it_now_and_then_only() {
    let pieces = 30;
    let mut host = Driven::host(pieces);
    host.join(1, pieces, &(0..pieces).collect::<Vec<_>>());
    host.join(2, pieces, &[]);
    let mut told = [0, 0];
    for piece in 0..pieces {
        host.wait(1);
        for (peer, news) in gained(&host.stored(piece, 1)) {
            assert_eq!(news, [piece]);
            told[peer as usize - 1] += 1;
        }
    }
    assert_eq!(
        told,
        [pieces / 3, pieces],
        "two of three are of no use to who has them all"
    );
}

#[test]
fn announcements_that_come_close_together_share_a_message() {
    let mut host = Driven::host(4);
    host.join(1, 4, &[0, 1, 2]);
    host.join(2, 4, &[]);
    assert_eq!(gained(&host.stored(0, 1)), [(2, vec![0])]);
    assert!(gained(&host.stored(1, 1)).is_empty());
    assert!(gained(&host.stored(2, 1)).is_empty());
    assert_eq!(gained(&host.wait(1)), [(2, vec![1, 2])]);
}

#[test]
fn a_handful_of_small_pieces_is_announced_without_waiting() {
    let mut host = Driven::host(10);
    host.join(1, 10, &[0, 1, 2, 3, 4, 5]);
    host.join(2, 10, &[]);
    assert_eq!(gained(&host.stored(0, 1)), [(2, vec![0])]);
    let more: Vec<_> = (1..=4).flat_map(|piece| gained(&host.stored(piece, 1))).collect();
    assert_eq!(more, [(2, vec![1, 2, 3, 4])]);
}

#[test]
fn the_rarest_piece_is_asked_for_first() {
    let mut host = Driven::host(11);
    let common: Vec<u32> = (0..10).collect();
    host.join(1, 11, &common);
    host.join(2, 11, &common);
    assert_eq!(
        fetches(&host.join(3, 11, &(0..11).collect::<Vec<_>>())),
        [(3, 10)]
    );
}

#[test]
fn ties_fall_differently_on_different_hosts() {
    let first_choice = |seed| {
        let mut host = Driven {
            node: Node::new(Config::default(), seed),
            now: Time(0),
        };
        let have = PieceSet::empty(100);
        host.tell(Input::TransferStarted {
            transfer: T,
            pieces: 100,
            piece_bytes: 1,
            have,
            role: Role::Host,
        });
        fetches(&host.join(1, 100, &(0..100).collect::<Vec<_>>()))[0].1
    };
    let choices: BTreeSet<u32> = (0..20).map(first_choice).collect();
    assert!(choices.len() > 10, "{choices:?}");
}

#[test]
fn a_request_that_takes_too_long_is_asked_elsewhere_and_then_dropped() {
    let mut host = Driven::host(1);
    assert_eq!(fetches(&host.join(1, 1, &[0])), [(1, 0)]);
    assert!(
        fetches(&host.wait(30)).is_empty(),
        "nobody else can give it, so we wait"
    );
    assert!(
        host.node
            .progress(T)
            .is_some_and(|progress| progress.in_flight == 1)
    );
    let met = host.join(2, 1, &[0]);
    assert_eq!(fetches(&met), [(2, 0)]);
    let later = host.wait(60);
    assert!(abandons(&later).contains(&(1, 0)), "{later:?}");
}

#[test]
fn a_host_on_whose_link_everything_is_slow_still_completes() {
    let (pieces, takes_us) = (12, 20_000_000);
    let mut host = Driven::host(pieces);
    let all: Vec<u32> = (0..pieces).collect();
    let mut in_flight = Vec::new();
    let follow = |host: &Driven, outputs: &[Output], in_flight: &mut Vec<(Time, u32, u32)>| {
        let gone = abandons(outputs);
        in_flight.retain(|&(_, peer, piece)| !gone.contains(&(peer, piece)));
        let due = Time(host.now.0 + takes_us);
        in_flight.extend(
            fetches(outputs)
                .into_iter()
                .map(|(peer, piece)| (due, peer, piece)),
        );
    };
    for peer in 0..10 {
        let outputs = host.join(peer, pieces, &all);
        follow(&host, &outputs, &mut in_flight);
    }
    while host
        .node
        .progress(T)
        .is_some_and(|progress| progress.held < pieces)
    {
        let arrival = in_flight.iter().copied().min();
        let timeout = host.node.poll_timeout().map(|(at, _)| at);
        let outputs = match arrival {
            Some((due, peer, piece)) if timeout.is_none_or(|timeout| due <= timeout) => {
                host.now = due;
                in_flight.retain(|&it| it != (due, peer, piece));
                host.stored(piece, peer)
            }
            _ => {
                host.now = host.now.max(timeout.expect("somebody is waited for"));
                host.tell(Input::Timeout)
            }
        };
        assert!(host.now < Time(600_000_000), "no piece ever comes: {in_flight:?}");
        follow(&host, &outputs, &mut in_flight);
    }
}

#[test]
fn the_copy_that_arrives_first_ends_the_other() {
    let mut host = Driven::host(1);
    host.join(1, 1, &[0]);
    host.wait(5);
    assert_eq!(fetches(&host.join(2, 1, &[0])), [(2, 0)]);
    let outputs = host.stored(0, 2);
    assert_eq!(abandons(&outputs), [(1, 0)]);
    assert!(outputs.contains(&Output::Completed { transfer: T }));
}

#[test]
fn the_end_game_asks_for_a_piece_at_most_twice() {
    let mut host = Driven::host(2);
    let mut asked = Vec::new();
    for peer in 0..8 {
        asked.extend(fetches(&host.join(peer, 2, &[0, 1])));
    }
    assert_eq!(asked.len(), 2, "the usual piece is never asked for twice at once");
    asked = fetches(&host.wait(3));
    assert_eq!(asked.len(), 2, "one more copy of each");
}

#[test]
fn an_artifact_without_pieces_is_complete_at_once() {
    let mut host = Driven {
        node: Node::new(Config::default(), 1),
        now: Time(0),
    };
    let have = PieceSet::empty(0);
    let outputs = host.tell(Input::TransferStarted {
        transfer: T,
        pieces: 0,
        piece_bytes: 1,
        have,
        role: Role::Host,
    });
    assert_eq!(outputs, [Output::Completed { transfer: T }]);
}
