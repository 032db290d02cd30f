//! What a seed gives away first: **every piece once before any piece twice.**
//!
//! While some piece exists only on the seed, a second copy of another is time lost: no host can end
//! before the seed has sent the whole artifact once (the F/u_s of Kumar & Ross, "Peer-assisted file
//! distribution", 2006). So until its first pass is over a seed does not say what it holds. It
//! *offers* each neighbour pieces that nobody else was offered, as BitTorrent's super-seeding does
//! (BEP 16, Hoffman), but without waiting for proof that a piece was passed on, since nobody here is
//! selfish. When every piece has been announced by some neighbour, the seed says that it has all.
//!
//! The pass can't get stuck on a neighbour that dies, lies or dawdles: what it was offered and has
//! not announced goes to another when it leaves, or once all else is offered and [`PATIENCE`] is over.

use crate::{Peer, Piece, PieceSet, Time};
use rand::seq::SliceRandom;
use std::time::Duration;

/// Offers to a neighbour that it has not asked for yet, so that it never waits for the next: so many, or as many as it
/// has asked for and not announced, which is more where it is far away and still faster than offers reach it.
const AHEAD: usize = 4;
/// Offers to a neighbour that it has not announced yet: also what is in flight, being stored, or in
/// an announcement that is still being gathered. As many as it may have in flight of us, and as many ahead.
const PER_PEER_MAX: usize = 64;
/// How long a neighbour may sit on the last offers before others get them too.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Offer {
    piece: Piece,
    peer: Peer,
    offered_at: Time,
    asked_for: bool,
}

/// The first pass of a seed over its pieces.
#[derive(Debug)]
pub(crate) struct FirstPass {
    /// Pieces that nobody was offered, and some that were announced since.
    pool: Vec<Piece>,
    /// At most [`PER_PEER_MAX`] a neighbour.
    offers: Vec<Offer>,
    /// Pieces that some neighbour has announced.
    given: PieceSet,
}

impl FirstPass {
    /// A pass in random order, so that two seeds rarely give the same piece.
    pub fn new(pieces: u32, rng: &mut impl rand::Rng) -> Self {
        let mut pool: Vec<Piece> = (0..pieces).collect();
        pool.shuffle(rng);
        Self {
            pool,
            offers: Vec::new(),
            given: PieceSet::empty(pieces),
        }
    }

    pub fn is_over(&self) -> bool {
        self.given.is_full()
    }

    /// A neighbour announced `piece`.
    pub fn given(&mut self, piece: Piece) {
        if self.given.insert(piece) {
            self.offers.retain(|offer| offer.piece != piece);
        }
    }

    /// A neighbour asked for what it was offered.
    pub fn asked_for(&mut self, piece: Piece, peer: Peer) {
        for offer in self
            .offers
            .iter_mut()
            .filter(|offer| offer.piece == piece && offer.peer == peer)
        {
            offer.asked_for = true;
        }
    }

    /// A neighbour is gone; what it did not announce is for others.
    pub fn left(&mut self, peer: Peer) {
        for offer in self.offers.extract_if(.., |offer| offer.peer == peer) {
            self.pool.push(offer.piece);
        }
    }

    /// What `peer` is to be offered now.
    pub fn offer(&mut self, peer: Peer, now: Time) -> Vec<Piece> {
        let mut offered = Vec::new();
        while self.has_room(peer) {
            let Some(piece) = self.next_unoffered().or_else(|| self.next_neglected(peer, now)) else {
                break;
            };
            self.offers.push(Offer {
                piece,
                peer,
                offered_at: now,
                asked_for: false,
            });
            offered.push(piece);
        }
        offered
    }

    /// When offers that nobody took up may go to others.
    pub fn next_neglect(&self, now: Time) -> Option<Time> {
        let oldest = self.offers.iter().map(|offer| offer.offered_at).min()?;
        // If everybody has enough to do already, they are looked at again a while later.
        Some(oldest.after(PATIENCE).max(now.after(PATIENCE / 4)))
    }

    fn has_room(&self, peer: Peer) -> bool {
        let open = self.offers.iter().filter(|offer| offer.peer == peer);
        let (all, ahead) = open.fold((0, 0), |(all, ahead), offer| {
            (all + 1, ahead + usize::from(!offer.asked_for))
        });
        all < PER_PEER_MAX && ahead < AHEAD.max(all - ahead)
    }

    fn next_unoffered(&mut self) -> Option<Piece> {
        loop {
            let piece = self.pool.pop()?;
            let offered = self.offers.iter().any(|offer| offer.piece == piece);
            if !offered && !self.given.contains(piece) {
                return Some(piece);
            }
        }
    }

    /// The piece whose newest offer is the oldest, if that is long ago and `peer` wasn't offered it.
    fn next_neglected(&self, peer: Peer, now: Time) -> Option<Piece> {
        let neglected = self.offers.iter().filter(|candidate| {
            let same = || self.offers.iter().filter(|offer| offer.piece == candidate.piece);
            same().all(|offer| offer.peer != peer && now.since(offer.offered_at) >= PATIENCE)
        });
        neglected
            .min_by_key(|offer| offer.offered_at)
            .map(|offer| offer.piece)
    }
}
