//! The node: every input comes in here, every output goes out here.

use crate::load::{Load, Progress};
use crate::slots::{Asked, Slots};
use crate::transfer::{Context, Transfer};
use crate::{BanReason, Config, Input, Output, PIECES_MAX, Peer, PieceSet, Role, Time, TransferId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::{BTreeMap, VecDeque};

/// How many banned peers are remembered; of more, the earliest is forgotten. Each is an identity that
/// the region certified, so there are never many.
const BANNED_MAX: usize = 1024;

/// One host's part in all of its transfers. See the crate's documentation for how to drive it.
#[derive(Debug)]
pub struct Node {
    config: Config,
    rng: ChaCha8Rng,
    transfers: BTreeMap<TransferId, Transfer>,
    slots: Slots,
    banned: VecDeque<Peer>,
    outputs: VecDeque<Output>,
}

impl Node {
    /// A node without transfers. `seed` decides every random choice that it will make; two hosts must
    /// not have the same.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            rng: ChaCha8Rng::seed_from_u64(seed),
            transfers: BTreeMap::new(),
            slots: Slots::default(),
            banned: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes in something that happened at `now`. The driver then takes every output.
    pub fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::TransferStarted {
                transfer,
                pieces,
                have,
                role,
            } => {
                self.start(now, transfer, pieces, have, role);
            }
            Input::TransferEnded { transfer } => self.end(transfer),
            Input::PeerJoined { transfer, peer, role } => self.joined(now, transfer, peer, role),
            Input::PeerLeft { transfer, peer } => {
                self.with(now, transfer, |it, cx| it.leave(peer, cx));
                self.refuse_waiting(|asked| asked.transfer == transfer && asked.peer == peer);
            }
            Input::Message {
                transfer,
                peer,
                message,
            } => {
                if let Some(Err(reason)) = self.with(now, transfer, |it, cx| it.hear(peer, message, cx)) {
                    self.ban(now, peer, reason);
                }
            }
            Input::Requested {
                transfer,
                peer,
                piece,
                ticket,
            } => {
                self.requested(
                    now,
                    Asked {
                        ticket,
                        transfer,
                        peer,
                        piece,
                    },
                );
            }
            Input::Served { ticket } => self.slots.end(ticket),
            Input::Stored {
                transfer,
                piece,
                peer,
            } => {
                self.with(now, transfer, |it, cx| it.stored(piece, peer, cx));
            }
            Input::Rejected {
                transfer,
                piece,
                peer,
            } => {
                if self.transfers.contains_key(&transfer) {
                    self.ban(now, peer, BanReason::WrongPiece { piece });
                }
            }
            Input::Missed {
                transfer,
                piece,
                peer,
                reason,
            } => {
                self.with(now, transfer, |it, cx| it.missed(piece, peer, reason, cx));
            }
            Input::Timeout => self.wake(now),
        }
        self.fill_slots();
    }

    /// The next thing to do, in order; none when everything was taken.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the node wants [`Input::Timeout`], and why. May change with every input.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        self.transfers
            .values()
            .filter_map(|transfer| transfer.alarm)
            .min()
    }

    /// How far a transfer has come, if the node knows it.
    #[must_use]
    pub fn progress(&self, transfer: TransferId) -> Option<Progress> {
        self.transfers.get(&transfer).map(|transfer| Progress {
            pieces: transfer.held.pieces(),
            held: transfer.held.held(),
            in_flight: transfer.requests.len(),
            neighbours: transfer.neighbours.len(),
        })
    }

    /// What the node holds at this moment.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            transfers: self.transfers.len(),
            neighbours: self
                .transfers
                .values()
                .map(|transfer| transfer.neighbours.len())
                .sum(),
            in_flight: self
                .transfers
                .values()
                .map(|transfer| transfer.requests.len())
                .sum(),
            uploading: self.slots.uploading(),
            waiting: self.slots.waiting(),
        }
    }

    fn start(&mut self, now: Time, id: TransferId, pieces: u32, have: PieceSet, role: Role) {
        let room = self.transfers.len() < self.config.transfers_max && !self.transfers.contains_key(&id);
        if !room || pieces > PIECES_MAX {
            return;
        }
        let held = if have.pieces() == pieces {
            have
        } else {
            PieceSet::empty(pieces)
        };
        let Self {
            config,
            rng,
            transfers,
            outputs,
            ..
        } = self;
        transfers.insert(
            id,
            Transfer::start(
                id,
                held,
                role,
                &mut Context {
                    now,
                    config,
                    rng,
                    outputs,
                },
            ),
        );
    }

    fn joined(&mut self, now: Time, id: TransferId, peer: Peer, role: Role) {
        if !self.banned.contains(&peer) {
            self.with(now, id, |it, cx| it.join(peer, role, cx));
        }
    }

    fn end(&mut self, id: TransferId) {
        let Some(transfer) = self.transfers.remove(&id) else {
            return;
        };
        for request in transfer.requests.iter() {
            let (peer, piece) = (request.peer, request.piece);
            self.outputs.push_back(Output::Abandon {
                transfer: id,
                peer,
                piece,
            });
        }
        self.refuse_waiting(|asked| asked.transfer == id);
    }

    /// Lets a transfer do something, then ask for what it may have in flight now.
    fn with<T>(
        &mut self,
        now: Time,
        id: TransferId,
        act: impl FnOnce(&mut Transfer, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let share = self.share();
        let Self {
            config,
            rng,
            transfers,
            outputs,
            ..
        } = self;
        let transfer = transfers.get_mut(&id)?;
        let cx = &mut Context {
            now,
            config,
            rng,
            outputs,
        };
        let result = act(transfer, cx);
        transfer.ask(share, cx);
        Some(result)
    }

    /// How many pieces each transfer may have in flight: all the same, and at least one.
    fn share(&self) -> usize {
        let wanting = self
            .transfers
            .values()
            .filter(|transfer| transfer.wants_pieces())
            .count();
        (self.config.fetches_max / wanting.max(1)).max(1)
    }

    fn requested(&mut self, now: Time, asked: Asked) {
        let Asked {
            ticket,
            transfer,
            peer,
            piece,
        } = asked;
        let known = self.with(now, transfer, |it, cx| {
            let held = it.held.contains(piece);
            it.neighbour(peer)?;
            it.offer_taken(piece, peer, cx);
            Some(held)
        });
        match known.flatten() {
            None => self.outputs.push_back(Output::Refuse { ticket }),
            Some(true) if self.slots.enqueue(asked, &self.config) => {}
            Some(_) => {
                self.outputs.push_back(Output::Refuse { ticket });
                let endured = self.with(now, transfer, |it, _| it.neighbour(peer).map(|it| it.endure(1)));
                if endured.flatten() == Some(false) {
                    self.ban(now, peer, BanReason::Flood);
                }
            }
        }
    }

    fn wake(&mut self, now: Time) {
        let due = self
            .transfers
            .values()
            .filter(|it| it.alarm.is_some_and(|(at, _)| at <= now));
        let due: Vec<TransferId> = due.map(|transfer| transfer.id).collect();
        for id in due {
            self.with(now, id, Transfer::on_alarm);
        }
    }

    /// Puts a peer out of every transfer and keeps it out.
    fn ban(&mut self, now: Time, peer: Peer, reason: BanReason) {
        if self.banned.contains(&peer) {
            return;
        }
        if self.banned.len() == BANNED_MAX {
            self.banned.pop_front();
        }
        self.banned.push_back(peer);
        let transfers: Vec<TransferId> = self.transfers.keys().copied().collect();
        for transfer in transfers {
            self.with(now, transfer, |it, cx| {
                let Some(in_flight) = it.leave(peer, cx) else {
                    return;
                };
                let abandon = |piece| Output::Abandon {
                    transfer,
                    peer,
                    piece,
                };
                cx.outputs.extend(in_flight.into_iter().map(abandon));
                cx.outputs.push_back(Output::Banned {
                    transfer,
                    peer,
                    reason,
                });
            });
        }
        self.refuse_waiting(|asked| asked.peer == peer);
    }

    fn refuse_waiting(&mut self, drop: impl Fn(&Asked) -> bool) {
        let refused = self.slots.withdraw(drop).map(|ticket| Output::Refuse { ticket });
        self.outputs.extend(refused);
    }

    fn fill_slots(&mut self) {
        let Self {
            config,
            transfers,
            slots,
            outputs,
            ..
        } = self;
        let eighths = |transfer: TransferId, peer: Peer| {
            let transfer = transfers.get(&transfer);
            transfer
                .and_then(|it| Some(it.neighbours[it.index_of(peer)?].holds.eighths()))
                .unwrap_or(0)
        };
        while let Some(ticket) = slots.admit(config, eighths) {
            outputs.push_back(Output::Serve { ticket });
        }
    }
}
