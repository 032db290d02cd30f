//! How an artifact's pieces are dealt out to those who read them from the region's store.
//!
//! The pieces fall into [`SLOTS`] slots of equal size, and every slot belongs to one host of the region.
//! Who that is, the region's manager decides and says in 64 bits; which pieces a slot holds, manager and
//! host both derive here.
//!
//! Every run of 64 neighbouring pieces is spread over all slots, each in an order of its own that depends
//! on the artifact. So the slots differ by one piece at most; a host's pieces lie all over the content,
//! so hosts of different speed leave no long stretch behind; and in two artifacts no slot has the same
//! pieces, so a host is not always the one with the first.

use crate::PieceSet;

/// How many slots there are: enough that 64 hosts at 1 Gbit/s together outrun a store at 10 Gbit/s
/// several times over, few enough that they fit one word.
pub const SLOTS: u32 = u64::BITS;

/// The pieces of the slots whose bits are set. `salt` names the artifact: the first eight bytes of its
/// id, read as little-endian.
#[must_use]
pub fn pieces_of_slots(slots: u64, salt: u64, pieces: u32) -> PieceSet {
    let mut share = PieceSet::empty(pieces);
    for piece in 0..share.pieces() {
        if slots >> slot_of(piece, salt) & 1 == 1 {
            share.insert(piece);
        }
    }
    share
}

/// The slot of a piece.
fn slot_of(piece: u32, salt: u64) -> u32 {
    let order = mix(salt ^ u64::from(piece / SLOTS));
    // An odd factor and a sum permute the numbers below a power of two.
    let (factor, shift) = (order as u32 | 1, (order >> 32) as u32);
    (piece % SLOTS).wrapping_mul(factor).wrapping_add(shift) % SLOTS
}

/// Spreads the bits of a number: the finalizer of SplitMix64 (Steele, Lea & Flood, "Fast splittable
/// pseudorandom number generators", 2014), written out because both ends must agree on it for ever.
const fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_slots_share_out_every_piece_once_and_evenly(salt: u64, pieces in 0..5_000_u32) {
            let mut seen = PieceSet::empty(pieces);
            let mut sizes = Vec::new();
            for slot in 0..SLOTS {
                let share = pieces_of_slots(1 << slot, salt, pieces);
                sizes.push(share.held());
                for piece in share.iter() {
                    prop_assert!(seen.insert(piece), "piece {piece} is in two slots");
                }
            }
            prop_assert!(seen.is_full());
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            prop_assert!(most - least <= 1);
        }

        #[test]
        fn a_share_is_the_union_of_its_slots(slots: u64, salt: u64, pieces in 0..500_u32) {
            let together = pieces_of_slots(slots, salt, pieces);
            for piece in 0..pieces {
                let alone = (0..SLOTS)
                    .filter(|slot| slots >> slot & 1 == 1)
                    .any(|slot| pieces_of_slots(1 << slot, salt, pieces).contains(piece));
                prop_assert_eq!(together.contains(piece), alone);
            }
        }
    }

    #[test]
    fn the_cut_is_the_same_for_ever() {
        let pieces: Vec<_> = pieces_of_slots(1, 0x0123_4567_89ab_cdef, 320).iter().collect();
        assert_eq!(pieces, EXPECTED);
    }

    /// Written down once: hosts and managers of different versions must agree.
    const EXPECTED: [u32; 5] = [12, 114, 177, 255, 280];

    #[test]
    fn another_artifact_is_cut_in_another_way() {
        assert_ne!(pieces_of_slots(1, 1, 1_200), pieces_of_slots(1, 2, 1_200));
    }
}
