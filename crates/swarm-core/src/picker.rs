//! Which piece to ask for next: **rarest first, ties at random, from the first piece on.**
//!
//! Rarest first keeps every piece about equally common, so that no piece is left on a host that may
//! die and nobody ends up waiting for one that few can give: Legout, Urvoy-Keller & Michiardi,
//! "Rarest first and choke algorithms are enough" (IMC 2006). Ties must fall at random, and
//! differently on every host: hosts that fetch the same piece have nothing to give each other.
//! BitTorrent takes its first pieces purely at random, so that a newcomer soon has something to
//! trade. Nobody trades here, so we never do.
//!
//! A piece is *open* while somebody should be asked for it. The open pieces stand in one row, sorted
//! by how many neighbours can give them, with the borders between equal counts kept beside it:
//!
//! ```text
//! row      [ 7 3 | 9 0 4 4 | 1 ]        pieces
//! copies     1 1   2 2 2 2   3          sorted
//! borders  0,0,2,6,7                    borders[c] = where pieces with c copies begin
//! ```
//!
//! When a neighbour gains a piece, that piece swaps places with the last of its group and the border
//! moves by one: constant work, whatever the number of pieces. To pick, we walk the row from the
//! rarest until we meet a piece that the neighbour holds, entering each group at a random place.

use crate::Piece;
use rand::{Rng, RngExt};

/// In place of a position: not in the row.
const CLOSED: u32 = u32::MAX;

/// The pieces of one transfer by how rare they are among our neighbours.
#[derive(Debug)]
pub struct Picker {
    /// The open pieces, rarest first.
    row: Vec<Piece>,
    /// For every piece its place in `row`, or [`CLOSED`].
    place: Vec<u32>,
    /// For every piece, open or not, how many neighbours can give it.
    copies: Vec<u16>,
    /// Where in `row` the pieces with so many copies begin. The last entry is the row's length.
    borders: Vec<u32>,
}

impl Picker {
    /// All of `pieces` closed, and nobody there to give them. `copies_max` is the most neighbours
    /// that there can be.
    #[must_use]
    pub fn new(pieces: u32, copies_max: u16) -> Self {
        let pieces = pieces as usize;
        Self {
            row: Vec::with_capacity(pieces),
            place: vec![CLOSED; pieces],
            copies: vec![0; pieces],
            borders: vec![0; copies_max as usize + 2],
        }
    }

    /// The rarest open piece for which `can_give` holds, ties at random. Only pieces that some
    /// neighbour announced are looked at.
    pub fn pick(&self, rng: &mut impl Rng, can_give: impl Fn(Piece) -> bool) -> Option<Piece> {
        let mut announced = self.borders.windows(2).skip(1);
        announced.find_map(|borders| {
            let group = &self.row[borders[0] as usize..borders[1] as usize];
            let start = if group.len() > 1 {
                rng.random_range(0..group.len())
            } else {
                0
            };
            let (tail, head) = group.split_at(start);
            head.iter().chain(tail).copied().find(|&piece| can_give(piece))
        })
    }

    /// An open piece that no neighbour can give, at random.
    pub fn pick_unannounced(&self, rng: &mut impl Rng) -> Option<Piece> {
        let group = &self.row[..self.borders[1] as usize];
        (!group.is_empty()).then(|| group[rng.random_range(0..group.len())])
    }

    /// How many pieces, open or not, have 0, 1, 2 … copies among the neighbours.
    #[must_use]
    pub fn rarity(&self) -> Vec<u32> {
        let most = self.copies.iter().copied().max().unwrap_or(0);
        let mut rarity = vec![0; most as usize + 1];
        for &copies in &self.copies {
            rarity[copies as usize] += 1;
        }
        rarity
    }

    /// Whether somebody should be asked for `piece`.
    #[must_use]
    pub fn is_open(&self, piece: Piece) -> bool {
        self.place
            .get(piece as usize)
            .is_some_and(|&place| place != CLOSED)
    }

    /// How many pieces are open.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.row.len()
    }

    /// How many neighbours can give `piece`.
    #[must_use]
    pub fn copies(&self, piece: Piece) -> u16 {
        self.copies.get(piece as usize).copied().unwrap_or(0)
    }

    /// One more neighbour can give `piece`. More than `copies_max` are not counted.
    pub fn gained(&mut self, piece: Piece) {
        let copies = self.copies(piece) as usize;
        if piece as usize >= self.copies.len() || copies + 2 >= self.borders.len() {
            return;
        }
        self.copies[piece as usize] += 1;
        if self.is_open(piece) {
            self.borders[copies + 1] -= 1;
            self.swap_to(piece, self.borders[copies + 1]);
        }
    }

    /// One neighbour less can give `piece`.
    pub fn lost(&mut self, piece: Piece) {
        let copies = self.copies(piece) as usize;
        if copies == 0 {
            return;
        }
        self.copies[piece as usize] -= 1;
        if self.is_open(piece) {
            self.swap_to(piece, self.borders[copies]);
            self.borders[copies] += 1;
        }
    }

    /// Says whether somebody should be asked for `piece`. Work in the number of neighbours.
    pub fn set_open(&mut self, piece: Piece, open: bool) {
        if piece as usize >= self.place.len() || open == self.is_open(piece) {
            return;
        }
        let copies = self.copies(piece) as usize;
        if open {
            self.open(piece, copies);
        } else {
            self.close(piece, copies);
        }
    }

    /// Puts `piece` at the row's end, then lets it change places with the first of each group that
    /// has more copies.
    fn open(&mut self, piece: Piece, copies: usize) {
        let last = self.borders.len() - 1;
        self.place[piece as usize] = self.borders[last];
        self.row.push(piece);
        self.borders[last] += 1;
        for group in (copies + 1..last).rev() {
            self.swap_to(piece, self.borders[group]);
            self.borders[group] += 1;
        }
    }

    /// The way of [`Self::open`] backwards.
    fn close(&mut self, piece: Piece, copies: usize) {
        for group in copies + 1..self.borders.len() {
            self.borders[group] -= 1;
            self.swap_to(piece, self.borders[group]);
        }
        self.row.pop();
        self.place[piece as usize] = CLOSED;
    }

    /// Swaps an open piece with the one that stands at `target`.
    fn swap_to(&mut self, piece: Piece, target: u32) {
        let from = self.place[piece as usize];
        if from == target {
            return;
        }
        let other = self.row[target as usize];
        self.row[target as usize] = piece;
        self.row[from as usize] = other;
        self.place[piece as usize] = target;
        self.place[other as usize] = from;
    }
}
