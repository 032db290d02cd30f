//! One artifact's exchange on this host: the state, and what changes it.
//!
//! What to ask for is decided in `asking.rs`, what to believe and to tell in `hearing.rs`.

use crate::first_pass::FirstPass;
use crate::flow::Flow;
use crate::hearing::Announcements;
use crate::neighbour::Neighbour;
use crate::picker::{self, PLACES_MAX, Picker};
use crate::requests::{COPIES_MAX, Request, Requests};
use crate::sharing::Claim;
use crate::store::Store;
use crate::{Config, Miss, Output, Peer, Piece, PieceSet, Role, Time, TransferId};
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// What a transfer needs of its node while it handles one input.
pub(crate) struct Context<'a> {
    pub now: Time,
    pub config: &'a Config,
    /// How many requests wait for an upload slot, as it is told to neighbours.
    pub waiting: u8,
    /// What this host is given, over all transfers.
    pub flow: &'a mut Flow,
    pub rng: &'a mut ChaCha8Rng,
    pub outputs: &'a mut VecDeque<Output>,
}

/// One artifact's exchange on this host.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub id: TransferId,
    pub role: Role,
    pub piece_bytes: u64,
    /// Verified and on disk.
    pub held: PieceSet,
    /// Each at the place by which the picker knows it; at most `Config::peers_max`, and never more than the
    /// picker can tell apart.
    pub neighbours: Vec<Neighbour>,
    /// Who they are, in the same order: close together, since it is searched all the time.
    peers: Vec<Peer>,
    pub picker: Picker,
    /// The places of those who may hold something that we should ask for, a bit each. Saves searching the others until
    /// that changes.
    pub promising: u64,
    pub requests: Requests,
    /// A seed's, until it is over.
    pub first_pass: Option<FirstPass>,
    pub announcements: Announcements,
    /// The region's object store, if it was offered.
    pub store: Option<Store>,
    /// This transfer's part of the node's fetches.
    pub claim: Claim,
    /// Neither asks nor serves.
    pub paused: bool,
    /// When to look at this transfer again, and why.
    pub alarm: Option<(Time, &'static str)>,
}

impl Transfer {
    pub fn start(id: TransferId, held: PieceSet, piece_bytes: u64, role: Role, cx: &mut Context<'_>) -> Self {
        let pieces = held.pieces();
        let mut picker = Picker::new(pieces);
        if role == Role::Host {
            held.missing().for_each(|piece| picker.set_open(piece, true));
        }
        if held.is_full() {
            cx.outputs.push_back(Output::Completed { transfer: id });
        }
        let first_pass = (role == Role::Seed && held.is_full()).then(|| FirstPass::new(pieces, cx.rng));
        Self {
            id,
            role,
            piece_bytes,
            held,
            neighbours: Vec::new(),
            peers: Vec::new(),
            picker,
            promising: 0,
            requests: Requests::default(),
            first_pass: first_pass.filter(|pass| !pass.is_over()),
            announcements: Announcements::default(),
            store: None,
            claim: Claim::default(),
            paused: false,
            alarm: None,
        }
    }

    /// Whether this host still fetches pieces.
    pub fn wants_pieces(&self) -> bool {
        self.role == Role::Host && !self.held.is_full() && !self.paused
    }

    /// Rests, or goes on. What is in flight is given up.
    pub fn pause(&mut self, paused: bool, cx: &mut Context<'_>) {
        self.paused = paused;
        if !paused {
            return;
        }
        let in_flight: Vec<_> = self.requests.iter().map(|it| (it.piece, it.peer)).collect();
        for (piece, peer) in in_flight {
            self.take_request(piece, peer);
            self.settle(piece);
            cx.outputs.push_back(Output::Abandon {
                transfer: self.id,
                peer,
                piece,
            });
        }
        if let Some(store) = &mut self.store {
            store.restart();
        }
    }

    pub fn index_of(&self, peer: Peer) -> Option<usize> {
        self.peers.iter().position(|&other| other == peer)
    }

    pub fn neighbour(&mut self, peer: Peer) -> Option<&mut Neighbour> {
        let index = self.index_of(peer)?;
        self.neighbours.get_mut(index)
    }

    /// A neighbour is there. One beyond the limit, or one that is there already, changes nothing.
    pub fn join(&mut self, peer: Peer, role: Role, cx: &mut Context<'_>) {
        let has_room = self.neighbours.len() < cx.config.peers_max.min(PLACES_MAX);
        if !has_room || self.index_of(peer).is_some() || role == Role::Store || self.is_store(peer) {
            return;
        }
        self.announce(cx); // so that nothing that the greeting says is said again
        self.neighbours.push(Neighbour::new(peer, role));
        self.peers.push(peer);
        self.greet(peer, cx);
    }

    /// A neighbour is gone: what it could give is rarer, what it was asked for is open again.
    /// Returns the pieces that were in flight from it, or nothing if it is no neighbour.
    pub fn leave(&mut self, peer: Peer, cx: &mut Context<'_>) -> Option<Vec<Piece>> {
        if self.is_store(peer) {
            return Some(self.lose_store());
        }
        let index = self.index_of(peer)?;
        self.neighbours.swap_remove(index);
        self.peers.swap_remove(index);
        self.picker.left(index, self.neighbours.len());
        self.promising = picker::without(self.promising, index, self.neighbours.len());
        let in_flight = self.drop_requests_to(peer);
        if let Some(pass) = &mut self.first_pass {
            pass.left(peer);
            self.offer_to_all(cx);
        }
        Some(in_flight)
    }

    /// Forgets what was asked of `peer`; it is open again. Returns the pieces.
    pub fn drop_requests_to(&mut self, peer: Peer) -> Vec<Piece> {
        let requests = self.requests.iter().filter(|request| request.peer == peer);
        let in_flight: Vec<Piece> = requests.map(|request| request.piece).collect();
        for &piece in &in_flight {
            self.requests.remove(piece, peer);
            self.settle(piece);
        }
        in_flight
    }

    /// A piece is on disk: it counts from now on, and every other request for it is over.
    pub fn stored(&mut self, piece: Piece, peer: Peer, cx: &mut Context<'_>) {
        let request = self.take_request(piece, peer);
        match self.store.as_mut() {
            Some(store) if store.peer == peer => store.succeeded(),
            _ => self.neighbour_gave(cx),
        }
        if let Some(neighbour) = self.neighbour(peer) {
            neighbour.succeeded();
        }
        if let Some(request) = request.filter(|request| !request.of_store) {
            self.learn(&request, cx);
        }
        if !self.held.insert(piece) {
            return;
        }
        let others: Vec<Peer> = self.requests.of(piece).map(|request| request.peer).collect();
        for other in others {
            self.take_request(piece, other);
            cx.outputs.push_back(Output::Abandon {
                transfer: self.id,
                peer: other,
                piece,
            });
        }
        self.settle(piece);
        self.announcements.add(piece);
        if self.held.is_full() {
            self.announce(cx);
            cx.outputs.push_back(Output::Completed { transfer: self.id });
        } else {
            self.announce_soon(cx);
        }
    }

    /// A piece will not come from this neighbour.
    pub fn missed(&mut self, piece: Piece, peer: Peer, reason: Miss, cx: &mut Context<'_>) {
        if self.take_request(piece, peer).is_none() {
            return;
        }
        self.settle(piece);
        if self.is_store(peer) {
            self.rest_store(cx);
            return;
        }
        let now = cx.now;
        let Some(index) = self.index_of(peer) else { return };
        let neighbour = &mut self.neighbours[index];
        neighbour.failed(now, cx.rng);
        if reason != Miss::Refused {
            // A source that breaks off or falls silent is no better than one that refused twice.
            neighbour.failed(now, cx.rng);
        }
        let until = neighbour.resting_until;
        self.wake_at(until, "a neighbour may be asked again");
    }

    /// A piece was wrong. The store is left alone for a while; says whether it was the store.
    pub fn rejected(&mut self, piece: Piece, peer: Peer, cx: &mut Context<'_>) -> bool {
        let is_store = self.is_store(peer);
        if is_store {
            self.missed(piece, peer, Miss::Broken, cx);
        }
        is_store
    }

    /// Takes in how long a neighbour took for a piece.
    fn learn(&mut self, request: &Request, cx: &mut Context<'_>) {
        let took = cx.now.since(request.asked_at);
        self.requests.learn(took);
        // The last piece may be much smaller than the others.
        if request.piece + 1 != self.held.pieces() {
            cx.flow.learn(took, request.came_before);
        }
    }

    /// Bytes of what is in flight.
    pub fn bytes_in_flight(&self) -> u64 {
        self.piece_bytes.saturating_mul(self.requests.len() as u64)
    }

    /// Takes a request out of those in flight, if it is there.
    pub fn take_request(&mut self, piece: Piece, peer: Peer) -> Option<Request> {
        let request = self.requests.remove(piece, peer)?;
        if let Some(neighbour) = self.neighbour(peer) {
            neighbour.in_flight -= 1;
            neighbour.late -= u16::from(request.late);
        }
        Some(request)
    }

    /// Opens or closes a piece after something about it has changed: it is open if it is missing and
    /// every neighbour that was asked for it is late, up to [`COPIES_MAX`] of them.
    pub fn settle(&mut self, piece: Piece) {
        let copies = self.requests.of(piece).count();
        let open = self.role == Role::Host
            && !self.held.contains(piece)
            && copies < COPIES_MAX
            && self.requests.of(piece).all(|request| request.late);
        let was_open = self.picker.is_open(piece);
        self.picker.set_open(piece, open);
        if open && !was_open {
            self.promising |= self.picker.holders(piece);
        }
    }

    /// Sets the alarm to `at` if it is not set to an earlier moment.
    pub fn wake_at(&mut self, at: Time, why: &'static str) {
        if self.alarm.is_none_or(|(earlier, _)| at < earlier) {
            self.alarm = Some((at, why));
        }
    }
}
