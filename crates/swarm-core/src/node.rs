//! The node: every input comes in here, every output goes out here.

mod banning;

use crate::flow::Flow;
use crate::sharing;
use crate::slots::{Asked, PROGRESS_STEP, Slots};
use crate::time::Clock;
use crate::transfer::{Context, Transfer};
use crate::{
    BanReason, Config, Input, News, Output, PIECES_MAX, Peer, Piece, PieceSet, Role, Time, TransferId,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::VecDeque;

/// One host's part in all of its transfers. See the crate's documentation for how to drive it.
#[derive(Debug)]
pub struct Node {
    pub(crate) config: Config,
    /// What neighbours give this host.
    flow: Flow,
    rng: ChaCha8Rng,
    clock: Clock,
    /// In the order in which they began; at most `Config::transfers_max`, so looking through them is quick.
    pub(crate) transfers: Vec<Transfer>,
    pub(crate) slots: Slots,
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
            flow: Flow::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            clock: Clock::default(),
            transfers: Vec::new(),
            slots: Slots::default(),
            banned: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes in something that happened at `now`. The driver then takes every output.
    pub fn handle(&mut self, now: Time, input: Input) {
        let now = self.clock.read(now);
        self.take_in(now, input);
        self.fill_slots();
        self.ask(now);
    }

    /// Takes in what several neighbours gained, in the order in which it arrived, until `now`. It comes to
    /// the same as an [`Input::Message`] for each, and costs a fraction.
    pub fn hear_all<'a>(
        &mut self,
        now: Time,
        transfer: TransferId,
        news: impl IntoIterator<Item = News<'a>>,
    ) {
        let now = self.clock.read(now);
        for news in news {
            let heard = self.with(now, transfer, |it, cx| it.hear_news(&news, cx));
            if let Some(Err(reason)) = heard {
                self.ban(now, news.peer, reason);
            }
        }
        self.fill_slots();
        self.ask(now);
    }

    fn take_in(&mut self, now: Time, input: Input) {
        match input {
            Input::TransferStarted {
                transfer,
                pieces,
                piece_bytes,
                have,
                role,
            } => self.start(now, transfer, (pieces, piece_bytes), have, role),
            Input::TransferEnded { transfer } => self.end(transfer),
            Input::PeerJoined { transfer, peer, role } => self.joined(now, transfer, peer, role),
            Input::PeerLeft { transfer, peer } => self.left(now, transfer, peer),
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
                let asked = Asked {
                    ticket,
                    transfer,
                    peer,
                    piece,
                };
                self.requested(now, asked);
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
                self.rejected(now, transfer, piece, peer);
            }
            Input::Missed {
                transfer,
                piece,
                peer,
                reason,
            } => {
                self.with(now, transfer, |it, cx| it.missed(piece, peer, reason, cx));
            }
            Input::StoreOffered {
                transfer,
                peer,
                share,
            } => {
                self.with(now, transfer, |it, cx| it.offer_store(peer, share, cx));
            }
            Input::Prioritised { transfer, priority } => {
                self.with(now, transfer, |it, _| it.claim.set_priority(priority));
            }
            Input::Paused { transfer, paused } => self.pause(now, transfer, paused),
            Input::Timeout => self.wake(now),
        }
    }

    /// The next thing to do, in order; none when everything was taken.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() {
            // The next ones go where these were, and not on through all of the queue's memory.
            self.outputs.clear();
        }
        output
    }

    /// When the node wants [`Input::Timeout`], and why. May change with every input.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        self.transfers
            .iter()
            .filter_map(|transfer| transfer.alarm)
            .min()
            .map(|(at, why)| (self.clock.tell(at), why))
    }

    pub(crate) fn transfer(&self, id: TransferId) -> Option<&Transfer> {
        self.transfers.iter().find(|transfer| transfer.id == id)
    }

    /// How many pieces may be in flight now, the limit of their bytes aside.
    pub(crate) fn fetches_max(&self) -> usize {
        let window = self.flow.window();
        window.max(self.config.fetches_min).min(self.config.fetches_max)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.transfers
            .iter()
            .map(|transfer| transfer.requests.len())
            .sum()
    }

    fn start(
        &mut self,
        now: Time,
        id: TransferId,
        (pieces, piece_bytes): (u32, u64),
        have: PieceSet,
        role: Role,
    ) {
        let room = self.transfers.len() < self.config.transfers_max && self.transfer(id).is_none();
        if !room || pieces > PIECES_MAX {
            return;
        }
        let held = if have.pieces() == pieces {
            have
        } else {
            PieceSet::empty(pieces)
        };
        let mut cx = Context {
            now,
            config: &self.config,
            waiting: 0,
            flow: &mut self.flow,
            rng: &mut self.rng,
            outputs: &mut self.outputs,
        };
        let transfer = Transfer::start(id, held, piece_bytes, role, &mut cx);
        self.transfers.push(transfer);
    }

    fn joined(&mut self, now: Time, id: TransferId, peer: Peer, role: Role) {
        if !self.banned.contains(&peer) {
            self.with(now, id, |it, cx| it.join(peer, role, cx));
        }
    }

    fn rejected(&mut self, now: Time, id: TransferId, piece: Piece, peer: Peer) {
        if self.with(now, id, |it, cx| it.rejected(piece, peer, cx)) == Some(false) {
            self.ban(now, peer, BanReason::WrongPiece { piece });
        }
    }

    fn left(&mut self, now: Time, id: TransferId, peer: Peer) {
        self.with(now, id, |it, cx| it.leave(peer, cx));
        self.refuse_waiting(|asked| asked.transfer == id && asked.peer == peer);
    }

    fn pause(&mut self, now: Time, id: TransferId, paused: bool) {
        self.with(now, id, |it, cx| it.pause(paused, cx));
        if paused {
            self.refuse_waiting(|asked| asked.transfer == id);
        }
    }

    fn end(&mut self, id: TransferId) {
        let Some(index) = self.transfers.iter().position(|transfer| transfer.id == id) else {
            return;
        };
        let transfer = self.transfers.remove(index);
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

    /// Lets a transfer do something, if the node knows it.
    fn with<T>(
        &mut self,
        now: Time,
        id: TransferId,
        act: impl FnOnce(&mut Transfer, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let transfer = self.transfers.iter_mut().find(|transfer| transfer.id == id)?;
        let mut cx = Context {
            now,
            config: &self.config,
            waiting: u8::try_from(self.slots.waiting()).unwrap_or(u8::MAX),
            flow: &mut self.flow,
            rng: &mut self.rng,
            outputs: &mut self.outputs,
        };
        Some(act(transfer, &mut cx))
    }

    /// Asks for pieces until as many are in flight as may be, or nobody can be asked for anything.
    fn ask(&mut self, now: Time) {
        let fetches_max = self.fetches_max();
        if self.in_flight() >= fetches_max {
            return;
        }
        for transfer in &mut self.transfers {
            transfer.claim.begin_round();
        }
        let mut cx = Context {
            now,
            config: &self.config,
            waiting: u8::try_from(self.slots.waiting()).unwrap_or(u8::MAX),
            flow: &mut self.flow,
            rng: &mut self.rng,
            outputs: &mut self.outputs,
        };
        while let Some((index, others)) =
            sharing::next(&self.transfers, fetches_max, self.config.fetch_bytes_max)
        {
            let transfer = &mut self.transfers[index];
            if transfer.ask(&mut cx) {
                transfer.claim.advance(others);
            } else {
                transfer.claim.pass_over();
            }
        }
    }

    fn requested(&mut self, now: Time, asked: Asked) {
        let Asked {
            ticket,
            transfer,
            peer,
            piece,
        } = asked;
        let known = self.with(now, transfer, |it, cx| {
            let held = it.held.contains(piece) && !it.paused;
            it.neighbour(peer)?;
            it.offer_taken(piece, peer, cx);
            Some(held)
        });
        match known.flatten() {
            None => self.outputs.push_back(Output::Refuse { ticket }),
            Some(true) if self.slots.enqueue(asked, &self.config) => {}
            Some(_) => {
                self.outputs.push_back(Output::Refuse { ticket });
                let endured = self.with(now, transfer, |it, _| {
                    // Nobody was told of the pause, so asking meanwhile is no offence.
                    let noise = u16::from(!it.paused);
                    it.neighbour(peer).map(|it| it.endure(noise))
                });
                if endured.flatten() == Some(false) {
                    self.ban(now, peer, BanReason::Flood);
                }
            }
        }
    }

    fn wake(&mut self, now: Time) {
        let due = self
            .transfers
            .iter()
            .filter(|it| it.alarm.is_some_and(|(at, _)| at <= now));
        let due: Vec<TransferId> = due.map(|transfer| transfer.id).collect();
        for id in due {
            self.with(now, id, Transfer::on_alarm);
        }
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
        let progress = |transfer: TransferId, peer: Peer| {
            let transfer = transfers.iter().find(|it| it.id == transfer);
            transfer
                .and_then(|it| Some(it.neighbours[it.index_of(peer)?].held / PROGRESS_STEP))
                .unwrap_or(0)
        };
        while let Some(ticket) = slots.admit(config, progress) {
            outputs.push_back(Output::Serve { ticket });
        }
    }
}
