//! How content is cut into pieces, and how pieces are hashed.

use crate::{PIECE_LENGTH_MAX, PIECE_LENGTH_MIN};
use blake3::hazmat::{self, HasherExt};
use std::fmt;
use std::ops::Range;

/// With this many pieces a swarm keeps every host busy, and the last piece costs a thousandth.
const PIECES_AIM: u64 = 1000;

/// The length of the pieces of a new artifact, in bytes: a power of two that gives about a thousand
/// pieces or more where the limits allow it.
pub fn piece_length_for(total_length: u64) -> u32 {
    let aim = (total_length / PIECES_AIM).clamp(u64::from(PIECE_LENGTH_MIN), u64::from(PIECE_LENGTH_MAX));
    // Both limits are powers of two, so this stays between them and fits.
    1 << aim.ilog2()
}

/// A piece's BLAKE3 subtree hash (its chaining value), so that all of them together give the hash of
/// the whole content. The only piece of an artifact has the root hash itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PieceHash(pub [u8; 32]);

impl fmt::Debug for PieceHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PieceHash({})", hex::encode(self.0))
    }
}

/// Bytes that cannot be the piece they are said to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("piece {piece} has {expected} bytes, not {found}")]
pub struct WrongPieceLength {
    /// Which piece.
    pub piece: u32,
    /// Its length; 0 where there is no such piece.
    pub expected: u64,
    /// How many bytes were given.
    pub found: u64,
}

/// The cut of some content into pieces: all but the last are equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    total_length: u64,
    piece_length: u32,
}

impl Layout {
    /// The cut of new content.
    pub(crate) fn of(total_length: u64) -> Self {
        Self {
            total_length,
            piece_length: piece_length_for(total_length),
        }
    }

    /// A cut that a manifest states. `None` unless the piece length is one of ours.
    pub(crate) fn stated(total_length: u64, piece_length: u32) -> Option<Self> {
        let fits = (PIECE_LENGTH_MIN..=PIECE_LENGTH_MAX).contains(&piece_length);
        (fits && piece_length.is_power_of_two()).then_some(Self {
            total_length,
            piece_length,
        })
    }

    /// Bytes of content.
    pub fn total_length(&self) -> u64 {
        self.total_length
    }

    /// Bytes of every piece but the last.
    pub fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// How many pieces there are; none for empty content.
    pub fn piece_count(&self) -> u32 {
        // At most CONTENT_LENGTH_MAX / PIECE_LENGTH_MIN = 2^20.
        self.total_length.div_ceil(u64::from(self.piece_length)) as u32
    }

    /// Which bytes of the content a piece is; empty where there is no such piece.
    pub fn piece_range(&self, piece: u32) -> Range<u64> {
        let length = u64::from(self.piece_length);
        let start = (u64::from(piece) * length).min(self.total_length);
        start..(start + length).min(self.total_length)
    }

    /// Hashes one piece. Pieces may be hashed in any order and on any thread.
    pub fn hash_piece(&self, piece: u32, bytes: &[u8]) -> Result<PieceHash, WrongPieceLength> {
        let range = self.piece_range(piece);
        let expected = range.end - range.start;
        let found = bytes.len() as u64;
        if expected != found || expected == 0 {
            return Err(WrongPieceLength {
                piece,
                expected,
                found,
            });
        }
        let mut hasher = blake3::Hasher::new();
        if self.piece_count() == 1 {
            return Ok(PieceHash(*hasher.update(bytes).finalize().as_bytes()));
        }
        // The piece length is a power of two, so each piece is a whole subtree at its offset.
        hasher.set_input_offset(range.start).update(bytes);
        Ok(PieceHash(hasher.finalize_non_root()))
    }
}

/// The BLAKE3 hash of the whole content from the hashes of its pieces.
pub(crate) fn content_hash(pieces: &[PieceHash]) -> [u8; 32] {
    match pieces {
        [] => *blake3::hash(b"").as_bytes(),
        [only] => only.0,
        many => {
            let (left, right) = many.split_at(left_pieces(many.len()));
            *hazmat::merge_subtrees_root(&subtree(left), &subtree(right), hazmat::Mode::Hash).as_bytes()
        }
    }
}

/// The chaining value above some pieces. The depth is the logarithm of their number, at most 20.
fn subtree(pieces: &[PieceHash]) -> hazmat::ChainingValue {
    match pieces {
        [only] => only.0,
        many => {
            let (left, right) = many.split_at(left_pieces(many.len()));
            hazmat::merge_subtrees_non_root(&subtree(left), &subtree(right), hazmat::Mode::Hash)
        }
    }
}

/// The pieces of the left half of a tree of two or more: the largest power of two below their number.
fn left_pieces(count: usize) -> usize {
    count.div_ceil(2).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_thousand_pieces_where_the_limits_allow_it() {
        const MIB: u64 = 1 << 20;
        for (total, length) in [
            (0, 64 << 10),
            (1, 64 << 10),
            (64 * MIB, 64 << 10),
            (2048 * MIB, 2 << 20),
            (10_000_000_000, 8 << 20),
            (64 << 30, 8 << 20),
        ] {
            assert_eq!(piece_length_for(total), length, "{total}");
        }
    }

    #[test]
    fn bytes_of_the_wrong_length_are_no_piece() {
        let layout = Layout::of(100_000);
        assert!(layout.hash_piece(0, &[0; 65_536]).is_ok());
        assert!(layout.hash_piece(0, &[0; 65_535]).is_err());
        assert!(layout.hash_piece(0, &[0; 131_072]).is_err());
        assert!(layout.hash_piece(1, &[0; 34_464]).is_ok());
        assert!(layout.hash_piece(1, &[0; 65_536]).is_err());
        assert!(layout.hash_piece(2, &[]).is_err());
        assert!(Layout::of(0).hash_piece(0, &[]).is_err());
        assert!(layout.hash_piece(u32::MAX, &[]).is_err());
    }
}
