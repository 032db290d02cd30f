//! The rules of the swarm, one by one, as a driver sees them.

use std::collections::BTreeSet;
use swarm_core::{
    BanReason, Config, Input, Message, Miss, Node, Output, Peer, PieceSet, Role, Ticket, Time, TransferId,
};

const T: TransferId = TransferId(7);

/// A node in one transfer, and the time.
struct Driven {
    node: Node,
    now: Time,
}

impl Driven {
    fn start(role: Role, pieces: u32, have: PieceSet) -> Self {
        let mut driven = Self {
            node: Node::new(Config::default(), 1),
            now: Time(0),
        };
        driven.tell(Input::TransferStarted {
            transfer: T,
            pieces,
            have,
            role,
        });
        driven
    }

    fn host(pieces: u32) -> Self {
        Self::start(Role::Host, pieces, PieceSet::empty(pieces))
    }

    fn tell(&mut self, input: Input) -> Vec<Output> {
        self.node.handle(self.now, input);
        std::iter::from_fn(|| self.node.poll_output()).collect()
    }

    fn join(&mut self, peer: u32, pieces: u32, held: &[u32]) -> Vec<Output> {
        self.tell(Input::PeerJoined {
            transfer: T,
            peer: Peer(peer),
            role: Role::Host,
        });
        let mut set = PieceSet::empty(pieces);
        held.iter().for_each(|&piece| assert!(set.insert(piece)));
        self.hear(peer, Message::Have { pieces: set })
    }

    fn hear(&mut self, peer: u32, message: Message) -> Vec<Output> {
        self.tell(Input::Message {
            transfer: T,
            peer: Peer(peer),
            message,
        })
    }

    fn stored(&mut self, piece: u32, peer: u32) -> Vec<Output> {
        self.tell(Input::Stored {
            transfer: T,
            piece,
            peer: Peer(peer),
        })
    }

    fn requested(&mut self, peer: u32, piece: u32, ticket: u64) -> Vec<Output> {
        self.tell(Input::Requested {
            transfer: T,
            peer: Peer(peer),
            piece,
            ticket: Ticket(ticket),
        })
    }

    /// Lets the node's own timers run for `seconds`.
    fn wait(&mut self, seconds: u64) -> Vec<Output> {
        let until = Time(self.now.0 + seconds * 1_000_000);
        let mut outputs = Vec::new();
        while let Some((at, _)) = self.node.poll_timeout().filter(|(at, _)| *at <= until) {
            self.now = at.max(self.now);
            outputs.extend(self.tell(Input::Timeout));
        }
        self.now = until;
        outputs
    }
}

fn fetches(outputs: &[Output]) -> Vec<(u32, u32)> {
    let fetch = |output: &Output| match output {
        Output::Fetch { peer, piece, .. } => Some((peer.0, *piece)),
        _ => None,
    };
    outputs.iter().filter_map(fetch).collect()
}

fn abandons(outputs: &[Output]) -> Vec<(u32, u32)> {
    let abandon = |output: &Output| match output {
        Output::Abandon { peer, piece, .. } => Some((peer.0, *piece)),
        _ => None,
    };
    outputs.iter().filter_map(abandon).collect()
}

fn gained(outputs: &[Output]) -> Vec<(u32, Vec<u32>)> {
    let gained = |output: &Output| match output {
        Output::Send {
            peer,
            message: Message::Gained { pieces },
            ..
        } => Some((peer.0, pieces.clone())),
        _ => None,
    };
    outputs.iter().filter_map(gained).collect()
}

#[test]
fn a_piece_is_announced_only_once_it_is_on_disk() {
    let mut host = Driven::host(2);
    assert!(gained(&host.join(1, 2, &[0])).is_empty());
    assert_eq!(gained(&host.stored(0, 1)), [(1, vec![0])]);
}

#[test]
fn announcements_that_come_close_together_share_a_message() {
    let mut host = Driven::host(4);
    host.join(1, 4, &[0, 1, 2]);
    assert_eq!(gained(&host.stored(0, 1)), [(1, vec![0])]);
    assert!(gained(&host.stored(1, 1)).is_empty());
    assert!(gained(&host.stored(2, 1)).is_empty());
    assert_eq!(gained(&host.wait(1)), [(1, vec![1, 2])]);
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
fn a_peer_that_sends_a_wrong_piece_is_named_and_kept_out() {
    let mut host = Driven::host(2);
    host.join(1, 2, &[0, 1]);
    let outputs = host.tell(Input::Rejected {
        transfer: T,
        piece: 0,
        peer: Peer(1),
    });
    let reason = BanReason::WrongPiece { piece: 0 };
    assert!(outputs.contains(&Output::Banned {
        transfer: T,
        peer: Peer(1),
        reason
    }));
    assert!(host.join(1, 2, &[0, 1]).is_empty());
    assert_eq!(fetches(&host.join(2, 2, &[0, 1])).len(), 1);
}

#[test]
fn a_peer_that_speaks_of_another_artifact_is_banned() {
    for (message, reason) in [
        (
            Message::Have {
                pieces: PieceSet::full(9),
            },
            BanReason::WrongSize { pieces: 9 },
        ),
        (
            Message::Gained { pieces: vec![3, 10] },
            BanReason::OutOfRange { piece: 10 },
        ),
        (
            Message::Gained {
                pieces: vec![1; 4000],
            },
            BanReason::Flood,
        ),
        (
            Message::Gained {
                pieces: vec![1; 5000],
            },
            BanReason::Flood,
        ),
    ] {
        let mut host = Driven::host(10);
        host.join(1, 10, &[]);
        let outputs = host.hear(1, message);
        assert!(
            outputs.contains(&Output::Banned {
                transfer: T,
                peer: Peer(1),
                reason
            }),
            "{outputs:?}"
        );
        assert_eq!(host.node.load().neighbours, 0);
    }
}

#[test]
fn a_set_that_shrinks_is_believed_and_repeated_sets_are_not_endured_for_ever() {
    let mut host = Driven::host(2);
    host.join(1, 2, &[0, 1]);
    host.tell(Input::Missed {
        transfer: T,
        piece: 0,
        peer: Peer(1),
        reason: Miss::Refused,
    });
    host.tell(Input::Missed {
        transfer: T,
        piece: 1,
        peer: Peer(1),
        reason: Miss::Refused,
    });
    host.hear(
        1,
        Message::Have {
            pieces: PieceSet::empty(2),
        },
    );
    assert!(fetches(&host.wait(20)).is_empty());
    let again = (0..10).flat_map(|_| {
        host.hear(
            1,
            Message::Have {
                pieces: PieceSet::empty(2),
            },
        )
    });
    assert!(
        again
            .collect::<Vec<_>>()
            .iter()
            .any(|output| matches!(output, Output::Banned { .. }))
    );
}

#[test]
fn requests_beyond_the_queue_are_refused_and_a_flood_of_them_is_banned() {
    let mut seed = Driven::start(Role::Host, 100, PieceSet::full(100));
    seed.join(1, 100, &[]);
    let config = Config::default();
    let mut outputs = Vec::new();
    for ticket in 0..20 {
        outputs.extend(seed.requested(1, ticket as u32, ticket));
    }
    let served = outputs
        .iter()
        .filter(|output| matches!(output, Output::Serve { .. }))
        .count();
    assert_eq!(served, config.upload_slots_per_peer);
    assert_eq!(seed.node.load().waiting, config.waiting_per_peer_max);
    let flood: Vec<_> = (20..2000)
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
    let mut seed = Driven::start(Role::Host, 8, PieceSet::full(8));
    seed.join(1, 8, &[]);
    seed.join(2, 8, &[]);
    seed.join(3, 8, &[0, 1, 2, 3, 4]);
    seed.join(4, 8, &[0]);
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
            offers.extend(gained(&seed.hear(peer, Message::Gained { pieces: vec![piece] })));
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
        have,
        role: Role::Host,
    });
    assert_eq!(outputs, [Output::Completed { transfer: T }]);
}
