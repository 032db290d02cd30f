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
        steps in proptest::collection::vec((0..8u8, 0..12u32, 0..5usize), 1..300),
        seed in any::<u64>(),
        wanted in proptest::collection::btree_set(0..12u32, 0..12),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut picker = Picker::new(12);
        // What each of five neighbours holds.
        let mut held = vec![BTreeSet::new(); 5];
        let mut open = BTreeSet::new();
        for (step, piece, place) in steps {
            match step {
                0..=3 => prop_assert_eq!(picker.gained(place, piece), held[place].insert(piece)),
                4 => { picker.lost_all(place); held[place].clear(); }
                5 => {
                    picker.left(place, 4);
                    held.swap_remove(place);
                    held.push(BTreeSet::new()); // somebody new
                }
                6 => { picker.set_open(piece, true); open.insert(piece); }
                _ => { picker.set_open(piece, false); open.remove(&piece); }
            }
            let copies = |piece: u32| held.iter().filter(|held| held.contains(&piece)).count();
            let may = |piece: &u32| held[place].contains(piece) && wanted.contains(piece);
            let rarest = open.iter().copied().filter(may).map(copies).min();
            let picked = picker.pick(&mut rng, place, |piece| wanted.contains(&piece));
            prop_assert_eq!(picked.map(copies), rarest);
            prop_assert!(picked.is_none_or(|piece| open.contains(&piece) && may(&piece)));
            prop_assert_eq!(picker.open_count(), open.len());
            prop_assert_eq!(picker.holds(place, piece), held[place].contains(&piece));
            let unannounced = picker.pick_unannounced(&mut rng);
            prop_assert_eq!(unannounced.map(copies), open.iter().any(|&piece| copies(piece) == 0).then_some(0));
            let mut rarity = [0; 12];
            (0..12).for_each(|piece| rarity[copies(piece)] += 1);
            let counted = picker.rarity();
            prop_assert_eq!(&rarity[..counted.len()], &counted);
            prop_assert_eq!(counted.iter().sum::<u32>(), 12);
        }
    }
}

#[test]
fn a_set_of_more_pieces_than_there_can_be_is_not_decoded() {
    let too_many = postcard::to_stdvec(&(PIECES_MAX + 1, Vec::<u8>::new())).expect("serializable");
    assert!(postcard::from_bytes::<PieceSet>(&too_many).is_err());
    assert_eq!(PieceSet::full(u32::MAX).pieces(), PIECES_MAX);
}
