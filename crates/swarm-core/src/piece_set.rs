//! Which pieces of an artifact somebody holds.

use serde::{Deserialize, Serialize};

/// A piece of an artifact, counted from 0.
pub type Piece = u32;

/// The most pieces of an artifact. A manifest of 16 MiB, the longest that there is, has room for
/// this many hashes of 32 bytes; as a set they take 64 KiB.
pub const PIECES_MAX: u32 = 1 << 19;

/// A set of an artifact's pieces, one bit a piece. Its size never changes and is at most
/// [`PIECES_MAX`], also when it was decoded from a peer's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct PieceSet {
    pieces: u32,
    held: u32,
    words: Vec<u64>,
}

/// Why bytes are not a set of pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPieceSet {
    /// More pieces than an artifact can have.
    #[error("{0} pieces, more than the {PIECES_MAX} that an artifact may have")]
    TooMany(u32),
    /// Too few or too many bytes for the stated number of pieces.
    #[error("{bytes} bytes for {pieces} pieces")]
    WrongLength {
        /// The stated number of pieces.
        pieces: u32,
        /// The bytes that came.
        bytes: usize,
    },
    /// A bit beyond the last piece is set.
    #[error("a bit beyond the last piece is set")]
    BitsBeyondEnd,
}

impl PieceSet {
    /// A set of no pieces out of `pieces`, which counts as [`PIECES_MAX`] where it is more.
    #[must_use]
    pub fn empty(pieces: u32) -> Self {
        let pieces = pieces.min(PIECES_MAX);
        Self {
            pieces,
            held: 0,
            words: vec![0; pieces.div_ceil(64) as usize],
        }
    }

    /// The set of all of `pieces`, which counts as [`PIECES_MAX`] where it is more.
    #[must_use]
    pub fn full(pieces: u32) -> Self {
        let mut set = Self::empty(pieces);
        set.words.fill(u64::MAX);
        if let Some(last) = set.words.last_mut() {
            *last = mask_of_last_word(set.pieces);
        }
        set.held = set.pieces;
        set
    }

    /// How many pieces the artifact has.
    #[must_use]
    pub const fn pieces(&self) -> u32 {
        self.pieces
    }

    /// How many pieces are in the set.
    #[must_use]
    pub const fn held(&self) -> u32 {
        self.held
    }

    /// Whether every piece is in the set. So it is when the artifact has no pieces.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.held == self.pieces
    }

    /// Whether `piece` is in the set; never so for a piece that the artifact doesn't have.
    #[must_use]
    pub fn contains(&self, piece: Piece) -> bool {
        self.words
            .get(piece as usize / 64)
            .is_some_and(|word| word >> (piece % 64) & 1 == 1)
    }

    /// Adds `piece`. False if it was there already or the artifact has no such piece.
    pub fn insert(&mut self, piece: Piece) -> bool {
        if piece >= self.pieces || self.contains(piece) {
            return false;
        }
        self.words[piece as usize / 64] |= 1 << (piece % 64);
        self.held += 1;
        true
    }

    /// Takes `piece` out. False if it was not there.
    pub fn remove(&mut self, piece: Piece) -> bool {
        let there = self.contains(piece);
        if there {
            self.words[piece as usize / 64] &= !(1 << (piece % 64));
            self.held -= 1;
        }
        there
    }

    /// The pieces in the set, each once, from a place on that `start` names.
    pub(crate) fn iter_from(&self, start: u32) -> impl Iterator<Item = Piece> + '_ {
        let count = self.words.len();
        let mut index = start as usize % count.max(1);
        // Within a word too, the walk begins at a random bit.
        let turn = start.rotate_left(6) % 64;
        let (mut word, mut words_left) = (0u64, count);
        std::iter::from_fn(move || {
            while word == 0 {
                words_left = words_left.checked_sub(1)?;
                index = if index + 1 < count { index + 1 } else { 0 };
                word = self.words[index].rotate_right(turn);
            }
            let bit = word.trailing_zeros();
            word &= word - 1;
            Some(index as u32 * 64 + (bit + turn) % 64)
        })
    }

    /// The pieces in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = Piece> + '_ {
        ones(self.words.iter().copied())
    }

    /// The pieces that are not in the set, in order.
    pub fn missing(&self) -> impl Iterator<Item = Piece> + '_ {
        let pieces = self.pieces;
        ones(self.words.iter().map(|word| !word)).take_while(move |&piece| piece < pieces)
    }
}

/// The places of the bits that are 1.
fn ones(words: impl Iterator<Item = u64>) -> impl Iterator<Item = Piece> {
    words.zip(0u32..).flat_map(|(mut word, index)| {
        std::iter::from_fn(move || {
            let bit = (word != 0).then(|| word.trailing_zeros())?;
            word &= word - 1;
            Some(index * 64 + bit)
        })
    })
}

/// The bits of the last word that stand for pieces.
const fn mask_of_last_word(pieces: u32) -> u64 {
    match pieces % 64 {
        0 => u64::MAX,
        bits => (1 << bits) - 1,
    }
}

/// How a set travels: its size, then one bit a piece, lowest first, in whole 64-bit words.
#[derive(Serialize, Deserialize)]
struct Wire {
    pieces: u32,
    bits: Vec<u8>,
}

impl From<PieceSet> for Wire {
    fn from(set: PieceSet) -> Self {
        Self {
            pieces: set.pieces,
            bits: set.words.iter().flat_map(|word| word.to_le_bytes()).collect(),
        }
    }
}

impl TryFrom<Wire> for PieceSet {
    type Error = InvalidPieceSet;

    fn try_from(Wire { pieces, bits }: Wire) -> Result<Self, InvalidPieceSet> {
        if pieces > PIECES_MAX {
            return Err(InvalidPieceSet::TooMany(pieces));
        }
        let (words, rest) = bits.as_chunks::<8>();
        if !rest.is_empty() || words.len() != pieces.div_ceil(64) as usize {
            return Err(InvalidPieceSet::WrongLength {
                pieces,
                bytes: bits.len(),
            });
        }
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        if words
            .last()
            .is_some_and(|last| last & !mask_of_last_word(pieces) != 0)
        {
            return Err(InvalidPieceSet::BitsBeyondEnd);
        }
        let held = words.iter().map(|word| word.count_ones()).sum();
        Ok(Self { pieces, held, words })
    }
}
