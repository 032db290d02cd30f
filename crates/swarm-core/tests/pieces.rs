//! Sets of pieces as they travel, and the picker against a plain model.

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use swarm_core::picker::Picker;
use swarm_core::{PIECES_MAX, PieceSet};

proptest! {
    #[test]
    fn a_set_survives_its_way(pieces in 0..300u32, held in proptest::collection::btree_set(0..300u32, 0..50)) {
        let mut set = PieceSet::empty(pieces);
        let held: BTreeSet<u32> = held.into_iter().filter(|&piece| set.insert(piece)).collect();
        let bytes = postcard::to_stdvec(&set).expect("serializable");
        let decoded: PieceSet = postcard::from_bytes(&bytes).expect("what was encoded");
        prop_assert_eq!(decoded.held() as usize, held.len());
        prop_assert!(decoded.iter().eq(held.iter().copied()));
        prop_assert!(decoded.missing().eq((0..pieces).filter(|piece| !held.contains(piece))));
    }

    #[test]
    fn arbitrary_bytes_never_make_a_set_that_lies_about_itself(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(set) = postcard::from_bytes::<PieceSet>(&bytes) {
            prop_assert!(set.pieces() <= PIECES_MAX);
            prop_assert_eq!(set.held() as usize, set.iter().count());
            prop_assert!(set.iter().all(|piece| piece < set.pieces()));
        }
    }

    #[test]
    fn the_picker_always_picks_a_rarest_open_piece(
        steps in proptest::collection::vec((0..4u8, 0..12u32), 1..300),
        seed in any::<u64>(),
        can_give in proptest::collection::btree_set(0..12u32, 0..12),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut picker = Picker::new(12);
        let (mut copies, mut open) = ([0u8; 12], BTreeSet::new());
        for (step, piece) in steps {
            let count = &mut copies[piece as usize];
            match step {
                0 => { picker.gained(piece); *count += 1; }
                1 => { picker.lost(piece); *count = count.saturating_sub(1); }
                2 => { picker.set_open(piece, true); open.insert(piece); }
                _ => { picker.set_open(piece, false); open.remove(&piece); }
            }
            prop_assert_eq!(picker.open_count(), open.len());
            let may = |piece: &u32| copies[*piece as usize] > 0 && can_give.contains(piece);
            let rarest = open.iter().copied().filter(may).map(|piece| copies[piece as usize]).min();
            let mut holds = PieceSet::empty(12);
            (0..12).filter(|&piece| copies[piece as usize] > 0).for_each(|piece| {
                holds.insert(piece);
            });
            let picked = picker.pick(&mut rng, &holds, |piece| can_give.contains(&piece));
            prop_assert_eq!(picked.map(|piece| copies[piece as usize]), rarest);
            prop_assert!(picked.is_none_or(|piece| open.contains(&piece) && can_give.contains(&piece)));
        }
    }
}

#[test]
fn a_set_of_more_pieces_than_there_can_be_is_not_decoded() {
    let too_many = postcard::to_stdvec(&(PIECES_MAX + 1, Vec::<u8>::new())).expect("serializable");
    assert!(postcard::from_bytes::<PieceSet>(&too_many).is_err());
    assert_eq!(PieceSet::full(u32::MAX).pieces(), PIECES_MAX);
}
