//! What of an old artifact may be a new one's.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

mod common;

use artifact::{Manifest, reusable};
use common::{build, entry};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Files by path, with their bytes.
type Tree = BTreeMap<String, Vec<u8>>;

fn manifest(tree: &Tree) -> Manifest {
    let files = tree.iter().map(|(path, bytes)| entry(path, bytes.len() as u64));
    build(
        files.collect(),
        &tree.values().flatten().copied().collect::<Vec<_>>(),
    )
}

/// A file whose bytes follow from a number, so that equal numbers give equal beginnings.
fn bytes(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 97) as u8 ^ seed).collect()
}

/// What somebody does to one file between two releases.
#[derive(Debug, Clone)]
enum Change {
    Keep,
    Flip(usize),
    Resize(usize),
    Rewrite(u8),
    Remove,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => Just(Change::Keep),
        1 => (0..300_000_usize).prop_map(Change::Flip),
        1 => (0..300_000_usize).prop_map(Change::Resize),
        1 => any::<u8>().prop_map(Change::Rewrite),
        1 => Just(Change::Remove),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let file = (any::<u8>(), 0..300_000_usize).prop_map(|(seed, length)| bytes(seed, length));
    btree_map("[a-e]/[a-c]", file, 1..8)
}

fn changed(old: &Tree, changes: &[Change]) -> Tree {
    let mut new = Tree::new();
    for ((path, bytes), change) in old.iter().zip(changes.iter().cycle()) {
        let mut bytes = bytes.clone();
        let length = bytes.len();
        match change {
            Change::Keep => {}
            Change::Flip(at) if length > 0 => bytes[at % length] ^= 1,
            Change::Flip(_) => {}
            Change::Resize(to) => bytes.resize(*to, 7),
            Change::Rewrite(with) => bytes.fill(*with),
            Change::Remove => continue,
        }
        new.insert(path.clone(), bytes);
    }
    new.entry("z/new".to_owned()).or_insert_with(|| bytes(9, 70_000));
    new
}

/// The bytes at the same paths and offsets in the old tree, where all of them are there.
fn at_the_same_place(new: &Manifest, old: &Tree, piece: u32) -> Option<Vec<u8>> {
    let mut found = Vec::new();
    for segment in new.segments(new.piece_range(piece)) {
        let file = old.get(new.files()[segment.file].path.as_str())?;
        found.extend_from_slice(
            file.get(segment.offset as usize..(segment.offset + segment.length) as usize)?,
        );
    }
    Some(found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_piece_that_lies_at_its_place_is_a_candidate_and_its_segments_are_those_bytes(
        old in tree(), changes in vec(change(), 8),
    ) {
        let new = changed(&old, &changes);
        let (old_manifest, new_manifest) = (manifest(&old), manifest(&new));
        let candidates: BTreeMap<_, _> = reusable(&new_manifest, &old_manifest)
            .map(|candidate| (candidate.piece, candidate.segments))
            .collect();
        let files: Vec<_> = old.values().collect();
        for piece in 0..new_manifest.piece_count() {
            let there = at_the_same_place(&new_manifest, &old, piece);
            if let Some(segments) = candidates.get(&piece) {
                let read: Vec<u8> = segments
                    .iter()
                    .flat_map(|it| &files[it.file][it.offset as usize..(it.offset + it.length) as usize])
                    .copied()
                    .collect();
                prop_assert_eq!(Some(&read), there.as_ref());
            } else if let Some(there) = there {
                prop_assert!(!new_manifest.verify_piece(piece, &there), "piece {piece} was overlooked");
            }
        }
    }

    #[test]
    fn of_two_artifacts_of_the_same_files_only_equal_pieces_are_read(old in tree(), at in 0..300_000_usize) {
        let mut new = old.clone();
        if let Some(file) = new.values_mut().find(|file| !file.is_empty()) {
            let at = at % file.len();
            file[at] ^= 1;
        }
        let (old_manifest, new_manifest) = (manifest(&old), manifest(&new));
        let missed = new_manifest.piece_count() as usize - reusable(&new_manifest, &old_manifest).count();
        prop_assert_eq!(missed, usize::from(old != new));
    }
}

#[test]
fn the_only_piece_of_an_old_artifact_may_be_the_first_of_a_new_one() {
    let mut tree = Tree::from([("a".to_owned(), bytes(1, 65_536))]);
    let old = manifest(&tree);
    tree.insert("b".to_owned(), bytes(2, 10));
    let new = manifest(&tree);
    let pieces: Vec<_> = reusable(&new, &old).map(|candidate| candidate.piece).collect();
    assert_eq!((old.piece_count(), pieces), (1, vec![0]));
}
