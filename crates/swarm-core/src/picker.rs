//! Which piece to ask for next: **rarest first, ties at random, from the first piece on.**
//!
//! Rarest first keeps every piece about equally common, so that no piece is left on a host that may
//! die and nobody ends up waiting for one that few can give: Legout, Urvoy-Keller & Michiardi,
//! "Rarest first and choke algorithms are enough" (IMC 2006). Ties must fall at random, and
//! differently on every host: hosts that fetch the same piece have nothing to give each other.
//! BitTorrent takes its first pieces purely at random, so that a newcomer soon has something to
//! trade. Nobody trades here, so we never do.
//!
//! A piece is *open* while somebody should be asked for it. To pick, we go through the open pieces from
//! a random place on, and take the first of those with the fewest copies that the neighbour holds. Who
//! holds a piece is one word, a bit a neighbour: so what happens twenty times as often as a pick, a
//! neighbour gaining a piece, touches one place in memory, and how many copies there are is a count of
//! bits. A set of pieces for each neighbour, beside a row of counters, makes picking a little cheaper
//! and gaining dearer, and so does a structure that keeps the pieces sorted by copies.

use crate::{Piece, PieceSet};
use rand::Rng;

/// Open pieces that one pick looks at, or more until it finds one that the neighbour holds. The rarest of all are found all the
/// same: every host picks a thousand times, each time from another place on, and towards the end, when it counts most, no more
/// are open. In the simulator 32 and 4,096 end the last host at the same time, within what the seed of chance makes.
const LOOKED_AT_MAX: usize = 64;
/// More copies than there can be.
const LACKED: u32 = 1 << 16;
/// Neighbours that a picker tells apart: the bits of a word.
pub const PLACES_MAX: usize = u64::BITS as usize;

/// The pieces of one transfer, and who of our neighbours can give them. A neighbour is named by its
/// place, below [`PLACES_MAX`].
#[derive(Debug)]
pub struct Picker {
    open: PieceSet,
    /// For every piece, open or not, the places of those who can give it, a bit each.
    holders: Vec<u64>,
}

impl Picker {
    /// All of `pieces` closed, and nobody there to give them.
    #[must_use]
    pub fn new(pieces: u32) -> Self {
        let open = PieceSet::empty(pieces);
        Self {
            holders: vec![0; open.pieces() as usize],
            open,
        }
    }

    /// The rarest open piece of those that the neighbour at `place` holds and for which `may` holds too,
    /// ties at random.
    pub fn pick(&self, rng: &mut impl Rng, place: usize, may: impl Fn(Piece) -> bool) -> Option<Piece> {
        let mut rarest = None;
        let mut fewest = u32::MAX;
        for (looked_at, piece) in self.open.iter_from(rng.next_u32()).enumerate() {
            let holders = self.holders[piece as usize];
            // No branch on who holds the piece: of those in doubt half do, which no processor foresees.
            let lacks = 1 - (holders >> place & 1) as u32;
            let copies = holders.count_ones() + lacks * LACKED;
            if copies < fewest && lacks == 0 && may(piece) {
                (rarest, fewest) = (Some(piece), copies);
                if copies == 1 {
                    break; // the neighbour's own is the only one
                }
            }
            if looked_at >= LOOKED_AT_MAX && rarest.is_some() {
                break;
            }
        }
        rarest
    }

    /// An open piece that no neighbour can give, at random.
    pub fn pick_unannounced(&self, rng: &mut impl Rng) -> Option<Piece> {
        let mut open = self.open.iter_from(rng.next_u32());
        open.find(|&piece| self.holders(piece) == 0)
    }

    /// An open piece, whoever has it.
    #[must_use]
    pub fn pick_any(&self) -> Option<Piece> {
        self.open.iter().next()
    }

    /// How many pieces, open or not, have 0, 1, 2 … copies among the neighbours.
    #[must_use]
    pub fn rarity(&self) -> Vec<u32> {
        let copies = || self.holders.iter().map(|holders| holders.count_ones() as usize);
        let mut rarity = vec![0; copies().max().unwrap_or(0) + 1];
        copies().for_each(|copies| rarity[copies] += 1);
        rarity
    }

    /// Whether somebody should be asked for `piece`.
    #[must_use]
    pub fn is_open(&self, piece: Piece) -> bool {
        self.open.contains(piece)
    }

    /// How many pieces are open.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open.held() as usize
    }

    /// The places of those who can give `piece`, a bit each.
    #[must_use]
    pub fn holders(&self, piece: Piece) -> u64 {
        self.holders.get(piece as usize).copied().unwrap_or(0)
    }

    /// Whether the neighbour at `place` can give `piece`.
    #[must_use]
    pub fn holds(&self, place: usize, piece: Piece) -> bool {
        self.holders(piece) >> place & 1 == 1
    }

    /// The neighbour at `place` can give `piece`. False if that was known, or there is no such piece.
    pub fn gained(&mut self, place: usize, piece: Piece) -> bool {
        let Some(holders) = self.holders.get_mut(piece as usize) else {
            return false;
        };
        let before = *holders;
        *holders |= 1 << place;
        *holders != before
    }

    /// The neighbour at `place` can give nothing any more.
    pub fn lost_all(&mut self, place: usize) {
        self.holders
            .iter_mut()
            .for_each(|holders| *holders &= !(1 << place));
    }

    /// The neighbour at `place` is gone, and the one at the place `last` takes it over.
    pub fn left(&mut self, place: usize, last: usize) {
        for holders in &mut self.holders {
            *holders = without(*holders, place, last);
        }
    }

    /// Says whether somebody should be asked for `piece`.
    pub fn set_open(&mut self, piece: Piece, open: bool) {
        if open {
            self.open.insert(piece);
        } else {
            self.open.remove(piece);
        }
    }
}

/// A bit for each place, when the one at `place` is gone and the one at the place `last` takes it over.
pub(crate) fn without(bits: u64, place: usize, last: usize) -> u64 {
    let moved = bits >> last & 1;
    let others = bits & !(1 << place | 1 << last);
    if place == last {
        others
    } else {
        others | moved << place
    }
}
