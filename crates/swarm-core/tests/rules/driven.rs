//! A node as a driver holds it.

use swarm_core::{Config, Input, Message, Node, Output, Peer, PieceSet, Role, Ticket, Time, TransferId};

pub const T: TransferId = TransferId(7);

/// A node in one transfer, and the time.
pub struct Driven {
    pub node: Node,
    pub now: Time,
}

impl Driven {
    pub fn start(role: Role, pieces: u32, have: PieceSet) -> Self {
        Self::start_seeded(role, pieces, have, 1)
    }

    /// A host whose random choices `seed` decides.
    pub fn seeded(pieces: u32, seed: u64) -> Self {
        Self::start_seeded(Role::Host, pieces, PieceSet::empty(pieces), seed)
    }

    fn start_seeded(role: Role, pieces: u32, have: PieceSet, seed: u64) -> Self {
        let mut driven = Self {
            node: Node::new(Config::default(), seed),
            now: Time(0),
        };
        driven.tell(Input::TransferStarted {
            transfer: T,
            pieces,
            piece_bytes: 1 << 20,
            have,
            role,
        });
        driven
    }

    pub fn host(pieces: u32) -> Self {
        Self::start(Role::Host, pieces, PieceSet::empty(pieces))
    }

    pub fn tell(&mut self, input: Input) -> Vec<Output> {
        self.node.handle(self.now, input);
        let mut outputs = Vec::new();
        while let Some(output) = self.node.poll_output() {
            match output {
                // What several are told, each is told.
                Output::Announce {
                    transfer,
                    peers,
                    message,
                } => {
                    outputs.extend(peers.into_iter().map(|peer| Output::Send {
                        transfer,
                        peer,
                        message: message.clone(),
                    }));
                }
                output => outputs.push(output),
            }
        }
        outputs
    }

    pub fn join(&mut self, peer: u32, pieces: u32, held: &[u32]) -> Vec<Output> {
        self.tell(Input::PeerJoined {
            transfer: T,
            peer: Peer(peer),
            role: Role::Host,
        });
        let mut set = PieceSet::empty(pieces);
        held.iter().for_each(|&piece| assert!(set.insert(piece)));
        self.hear(peer, Message::Have { pieces: set })
    }

    pub fn hear(&mut self, peer: u32, message: Message) -> Vec<Output> {
        self.tell(Input::Message {
            transfer: T,
            peer: Peer(peer),
            message,
        })
    }

    pub fn stored(&mut self, piece: u32, peer: u32) -> Vec<Output> {
        self.tell(Input::Stored {
            transfer: T,
            piece,
            peer: Peer(peer),
        })
    }

    pub fn requested(&mut self, peer: u32, piece: u32, ticket: u64) -> Vec<Output> {
        self.tell(Input::Requested {
            transfer: T,
            peer: Peer(peer),
            piece,
            ticket: Ticket(ticket),
        })
    }

    /// Lets the node's own timers run for `seconds`.
    pub fn wait(&mut self, seconds: u64) -> Vec<Output> {
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

pub fn fetches(outputs: &[Output]) -> Vec<(u32, u32)> {
    let fetch = |output: &Output| match output {
        Output::Fetch { peer, piece, .. } => Some((peer.0, *piece)),
        _ => None,
    };
    outputs.iter().filter_map(fetch).collect()
}

pub fn abandons(outputs: &[Output]) -> Vec<(u32, u32)> {
    let abandon = |output: &Output| match output {
        Output::Abandon { peer, piece, .. } => Some((peer.0, *piece)),
        _ => None,
    };
    outputs.iter().filter_map(abandon).collect()
}

pub fn gained(outputs: &[Output]) -> Vec<(u32, Vec<u32>)> {
    let gained = |output: &Output| match output {
        Output::Send {
            peer,
            message: Message::Gained { pieces, .. },
            ..
        } => Some((peer.0, pieces.clone())),
        _ => None,
    };
    outputs.iter().filter_map(gained).collect()
}
