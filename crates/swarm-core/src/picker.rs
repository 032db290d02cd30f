//! Which piece to ask for next: **rarest first, ties at random, from the first piece on.**
//!
//! Rarest first keeps every piece about equally common, so that no piece is left on a host that may
//! die and nobody ends up waiting for one that few can give: Legout, Urvoy-Keller & Michiardi,
//! "Rarest first and choke algorithms are enough" (IMC 2006). Ties must fall at random, and
//! differently on every host: hosts that fetch the same piece have nothing to give each other.
//! BitTorrent takes its first pieces purely at random, so that a newcomer soon has something to
//! trade. Nobody trades here, so we never do.
//!
//! A piece is *open* while somebody should be asked for it. To pick, we go through the pieces that are
//! open and that the neighbour holds, from a random place on, and take the first of those with the
//! fewest copies. That is a walk through two bit sets and a row of small counters, which lie in a
//! kilobyte or two. What happens twenty times as often, a neighbour gaining a piece, costs one
//! addition. A structure that keeps the pieces sorted by copies makes picking cheaper and gaining
//! dearer: the simulator ran at half the speed with one.

use crate::{Piece, PieceSet};
use rand::Rng;

/// Candidates that one pick looks at. An artifact has about a thousand pieces, up to 8,192 where it
/// has 64 GB; of the rarest among so many at a random place nobody can tell that it isn't the rarest.
const LOOKED_AT_MAX: usize = 4096;

/// The pieces of one transfer by how rare they are among our neighbours.
#[derive(Debug)]
pub struct Picker {
    open: PieceSet,
    /// For every piece, open or not, how many neighbours can give it; 255 stands for more too.
    copies: Vec<u8>,
}

impl Picker {
    /// All of `pieces` closed, and nobody there to give them.
    #[must_use]
    pub fn new(pieces: u32) -> Self {
        let open = PieceSet::empty(pieces);
        Self {
            copies: vec![0; open.pieces() as usize],
            open,
        }
    }

    /// The rarest open piece of those that a neighbour `holds` and for which `may` holds too, ties at
    /// random.
    pub fn pick(&self, rng: &mut impl Rng, holds: &PieceSet, may: impl Fn(Piece) -> bool) -> Option<Piece> {
        let mut rarest = None;
        let mut fewest = u8::MAX;
        let candidates = self.open.common_from(holds, rng.next_u32());
        for piece in candidates.take(LOOKED_AT_MAX) {
            let copies = self.copies[piece as usize];
            if (copies < fewest || rarest.is_none()) && may(piece) {
                (rarest, fewest) = (Some(piece), copies);
                if copies <= 1 {
                    break; // the neighbour's own is the only one
                }
            }
        }
        rarest
    }

    /// An open piece that no neighbour can give, at random.
    pub fn pick_unannounced(&self, rng: &mut impl Rng) -> Option<Piece> {
        let mut open = self.open.common_from(&self.open, rng.next_u32());
        open.find(|&piece| self.copies[piece as usize] == 0)
    }

    /// An open piece, whoever has it.
    #[must_use]
    pub fn pick_any(&self) -> Option<Piece> {
        self.open.iter().next()
    }

    /// How many pieces, open or not, have 0, 1, 2 … copies among the neighbours.
    #[must_use]
    pub fn rarity(&self) -> Vec<u32> {
        let most = self.copies.iter().copied().max().unwrap_or(0);
        let mut rarity = vec![0; usize::from(most) + 1];
        for &copies in &self.copies {
            rarity[usize::from(copies)] += 1;
        }
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

    /// How many neighbours can give `piece`.
    #[must_use]
    pub fn copies(&self, piece: Piece) -> u8 {
        self.copies.get(piece as usize).copied().unwrap_or(0)
    }

    /// One more neighbour can give `piece`. There are never more than 255 neighbours.
    pub fn gained(&mut self, piece: Piece) {
        if let Some(copies) = self.copies.get_mut(piece as usize) {
            *copies = copies.saturating_add(1);
        }
    }

    /// One neighbour less can give `piece`.
    pub fn lost(&mut self, piece: Piece) {
        if let Some(copies) = self.copies.get_mut(piece as usize) {
            *copies = copies.saturating_sub(1);
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
