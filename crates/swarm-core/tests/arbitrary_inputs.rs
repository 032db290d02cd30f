//! Whatever comes in, in whatever order: a node never panics, keeps its limits, and answers right.

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use swarm_core::{
    Config, Input, Message, Miss, News, Node, Output, Peer, PieceSet, Role, Ticket, Time, TransferId,
};

const TRANSFERS: u32 = 3;
const PEERS: u32 = 6;
const PIECES: u32 = 70;

fn config() -> Config {
    Config {
        transfers_max: 2,
        peers_max: 4,
        fetches_max: 5,
        fetch_bytes_max: 4 << 20,
        ..Config::default()
    }
}

fn set(pieces: u32, held: &[u32]) -> PieceSet {
    let mut set = PieceSet::empty(pieces);
    held.iter().for_each(|&piece| {
        set.insert(piece);
    });
    set
}

fn sets() -> impl Strategy<Value = PieceSet> {
    let sizes = prop_oneof![8 => Just(PIECES), 1 => 0..200u32];
    (sizes, proptest::collection::vec(0..PIECES, 0..90)).prop_map(|(pieces, held)| set(pieces, &held))
}

fn messages() -> impl Strategy<Value = Message> {
    let pieces = prop_oneof![30 => 0..PIECES, 1 => any::<u32>()];
    prop_oneof![
        1 => sets().prop_map(|pieces| Message::Have { pieces }),
        4 => (proptest::collection::vec(pieces, 0..8), any::<u32>(), any::<u8>())
            .prop_map(|(pieces, held, waiting)| Message::Gained { pieces, held, waiting }),
    ]
}

fn inputs() -> impl Strategy<Value = Input> {
    let transfer = || (0..TRANSFERS).prop_map(TransferId);
    let peer = || (0..PEERS).prop_map(Peer);
    let piece = || prop_oneof![30 => 0..PIECES, 1 => any::<u32>()];
    let role = || prop_oneof![Just(Role::Host), Just(Role::Seed)];
    let miss = prop_oneof![Just(Miss::Refused), Just(Miss::TimedOut), Just(Miss::Broken)];
    prop_oneof![
        2 => (transfer(), sets(), role())
            .prop_map(|(transfer, have, role)| Input::TransferStarted { transfer, pieces: PIECES, piece_bytes: 1 << 20, have, role }),
        1 => transfer().prop_map(|transfer| Input::TransferEnded { transfer }),
        6 => (transfer(), peer(), role())
            .prop_map(|(transfer, peer, role)| Input::PeerJoined { transfer, peer, role }),
        2 => (transfer(), peer()).prop_map(|(transfer, peer)| Input::PeerLeft { transfer, peer }),
        12 => (transfer(), peer(), messages())
            .prop_map(|(transfer, peer, message)| Input::Message { transfer, peer, message }),
        // Tickets are numbered when the inputs are played, since a driver never uses one twice.
        12 => (transfer(), peer(), piece()).prop_map(|(transfer, peer, piece)| {
            Input::Requested { transfer, peer, piece, ticket: Ticket(0) }
        }),
        4 => (0..40u64).prop_map(|ticket| Input::Served { ticket: Ticket(ticket) }),
        12 => (transfer(), piece(), peer())
            .prop_map(|(transfer, piece, peer)| Input::Stored { transfer, piece, peer }),
        1 => (transfer(), piece(), peer())
            .prop_map(|(transfer, piece, peer)| Input::Rejected { transfer, piece, peer }),
        4 => (transfer(), piece(), peer(), miss)
            .prop_map(|(transfer, piece, peer, reason)| Input::Missed { transfer, piece, peer, reason }),
        2 => (transfer(), peer(), sets())
            .prop_map(|(transfer, peer, share)| Input::StoreOffered { transfer, peer, share }),
        1 => (transfer(), any::<u8>())
            .prop_map(|(transfer, priority)| Input::Prioritised { transfer, priority }),
        1 => (transfer(), any::<bool>())
            .prop_map(|(transfer, paused)| Input::Paused { transfer, paused }),
        6 => Just(Input::Timeout),
    ]
}

/// What a careful driver knows: enough to tell whether the node answers right.
#[derive(Default)]
struct Witness {
    held: BTreeMap<TransferId, PieceSet>,
    unanswered: BTreeMap<Ticket, (TransferId, u32)>,
    answered: BTreeSet<Ticket>,
}

impl Witness {
    fn sees_input(&mut self, input: &Input) {
        match input {
            Input::TransferStarted {
                transfer,
                pieces,
                have,
                ..
            } if self.held.len() < 2 => {
                let have = if have.pieces() == *pieces {
                    have.clone()
                } else {
                    PieceSet::empty(*pieces)
                };
                self.held.entry(*transfer).or_insert(have);
            }
            Input::TransferEnded { transfer } => {
                self.held.remove(transfer);
            }
            Input::Stored { transfer, piece, .. } => {
                self.held.get_mut(transfer).map(|held| held.insert(*piece));
            }
            Input::Requested {
                transfer,
                piece,
                ticket,
                ..
            } => {
                self.unanswered.insert(*ticket, (*transfer, *piece));
            }
            Input::Served { ticket } => {
                // The asker gave up: nobody waits for an answer.
                self.unanswered.remove(ticket);
            }
            _ => {}
        }
    }

    fn sees_output(&mut self, output: &Output) {
        let holds = |transfer: &TransferId, piece: u32| {
            self.held.get(transfer).is_some_and(|held| held.contains(piece))
        };
        match output {
            Output::Serve { ticket } | Output::Refuse { ticket } => {
                let asked = self.unanswered.remove(ticket);
                let (transfer, piece) = asked.expect("only what waits for an answer is answered");
                assert!(self.answered.insert(*ticket), "answered twice");
                if matches!(output, Output::Serve { .. }) {
                    assert!(self.held[&transfer].contains(piece), "served what is not on disk");
                }
            }
            Output::Send {
                transfer,
                message: Message::Have { pieces },
                ..
            }
            | Output::Announce {
                transfer,
                message: Message::Have { pieces },
                ..
            } => {
                assert!(
                    pieces.iter().all(|piece| holds(transfer, piece)),
                    "counted what is not on disk"
                );
            }
            Output::Send {
                transfer,
                message: Message::Gained { pieces, .. },
                ..
            }
            | Output::Announce {
                transfer,
                message: Message::Gained { pieces, .. },
                ..
            } => {
                assert!(
                    pieces.iter().all(|&piece| holds(transfer, piece)),
                    "counted what is not on disk"
                );
            }
            Output::Fetch { transfer, piece, .. } => {
                assert!(
                    *piece < PIECES && !holds(transfer, *piece),
                    "fetched what is there"
                );
            }
            Output::Abandon { .. } | Output::Completed { .. } | Output::Banned { .. } => {}
        }
    }
}

fn play(seed: u64, inputs: &[(u64, Input)]) -> Vec<Output> {
    let config = config();
    let mut node = Node::new(config.clone(), seed);
    let (mut now, mut tickets, mut all) = (0, 0, Vec::new());
    let mut witness = Witness::default();
    for (after_us, input) in inputs {
        now += after_us;
        let mut input = input.clone();
        if let Input::Requested { ticket, .. } = &mut input {
            tickets += 1;
            *ticket = Ticket(tickets);
        }
        witness.sees_input(&input);
        node.handle(Time(now), input);
        let outputs: Vec<Output> = std::iter::from_fn(|| node.poll_output()).collect();
        assert!(
            outputs.len() <= 200,
            "one input yields a bounded number of outputs"
        );
        outputs.iter().for_each(|output| witness.sees_output(output));
        let load = node.load();
        assert!(load.transfers <= config.transfers_max);
        assert!(load.neighbours <= config.transfers_max * config.peers_max);
        assert!(load.in_flight <= config.fetches_max);
        assert!(load.bytes_in_flight <= config.fetch_bytes_max);
        assert!(load.uploading <= config.upload_slots);
        assert!(load.waiting <= config.waiting_per_peer_max * config.peers_max * config.transfers_max);
        assert!(
            witness.unanswered.len() <= load.waiting,
            "a request is neither answered nor held"
        );
        all.extend(outputs);
    }
    all
}

fn outputs_of(node: &mut Node) -> Vec<Output> {
    std::iter::from_fn(|| node.poll_output()).collect()
}

/// Plays inputs to a node that is told everything at once, and to one that hears news as late as a driver may tell it.
fn play_late_news(seed: u64, inputs: &[(u64, Input)]) {
    let (mut prompt, mut late) = (Node::new(config(), seed), Node::new(config(), seed));
    let mut unread = Vec::new();
    let (mut now, mut tickets) = (Time(0), 0);
    for (after_us, input) in inputs {
        now.0 += after_us;
        let mut input = input.clone();
        if let Input::Requested { ticket, .. } = &mut input {
            tickets += 1;
            *ticket = Ticket(tickets);
        }
        let tell = |node: &mut Node, input: Input| {
            node.handle(now, input);
            outputs_of(node)
        };
        let said = tell(&mut prompt, input.clone());
        match input {
            Input::Message {
                transfer,
                peer,
                message:
                    Message::Gained {
                        pieces,
                        held,
                        waiting,
                    },
            } if !late.acts_on_news() => {
                assert_eq!(said, [], "it could not act on news");
                unread.push((transfer, peer, pieces, held, waiting));
                continue;
            }
            Input::Requested { .. } => {}
            _ => {
                for (transfer, peer, pieces, held, waiting) in unread.drain(..) {
                    let (pieces, held, waiting) = (&*pieces, held, waiting);
                    let news = News {
                        peer,
                        pieces,
                        held,
                        waiting,
                    };
                    late.hear_all(now, transfer, [news]);
                    assert_eq!(outputs_of(&mut late), []);
                }
            }
        }
        assert_eq!(tell(&mut late, input), said);
        if unread.is_empty() {
            assert_eq!(late.poll_timeout(), prompt.poll_timeout());
        }
    }
}

/// Whether a node endures it from anybody.
fn is_honest(input: &Input) -> bool {
    match input {
        Input::Message {
            message: Message::Gained { pieces, .. },
            ..
        } => !pieces.is_empty() && pieces.iter().all(|&piece| piece < PIECES),
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_node_keeps_its_limits_and_answers_right(
        seed in any::<u64>(),
        inputs in proptest::collection::vec((0..800_000u64, inputs()), 1..250),
    ) {
        play(seed, &inputs);
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(
        seed in any::<u64>(),
        inputs in proptest::collection::vec((0..800_000u64, inputs()), 1..60),
    ) {
        prop_assert_eq!(play(seed, &inputs), play(seed, &inputs));
    }

    #[test]
    fn news_that_a_node_cannot_act_on_may_be_told_later(
        seed in any::<u64>(),
        inputs in proptest::collection::vec((0..800_000u64, inputs().prop_filter("honest", is_honest)), 1..120),
    ) {
        play_late_news(seed, &inputs);
    }
}
