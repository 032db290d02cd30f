//! Manifests: round trips, hashes, segments, and everything that is refused.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

mod common;

use artifact::{FileEntry, InvalidManifest, Manifest, ManifestBuilder, Segment};
use common::{build, entry, provenance};
use proptest::prelude::*;

#[test]
fn the_content_hash_of_a_one_file_artifact_is_the_hash_of_the_file() {
    for length in [
        0,
        1,
        1024,
        1025,
        65_535,
        65_536,
        65_537,
        3 * 65_536,
        300_000,
        1 << 20,
    ] {
        let content: Vec<u8> = (0..length).map(|at: usize| (at * 31 % 251) as u8).collect();
        let manifest = build(vec![entry("file", content.len() as u64)], &content);
        assert_eq!(
            manifest.content_hash(),
            *blake3::hash(&content).as_bytes(),
            "{length}"
        );
    }
}

#[test]
fn an_artifact_of_empty_files_has_no_pieces_and_round_trips() {
    let manifest = build(vec![entry("a", 0), entry("b/c", 0)], &[]);
    assert_eq!((manifest.total_length(), manifest.piece_count()), (0, 0));
    assert_eq!(manifest.segments(0..u64::MAX).count(), 0);
    assert_eq!(manifest.content_hash(), *blake3::hash(b"").as_bytes());
    assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
}

#[test]
fn a_changed_piece_does_not_verify() {
    let content: Vec<u8> = (0..200_000u32).map(|at| (at % 251) as u8).collect();
    let manifest = build(vec![entry("a", 200_000)], &content);
    let first = &content[..65_536];
    assert!(manifest.verify_piece(0, first) && !manifest.verify_piece(1, first));
    let mut changed = first.to_vec();
    changed[65_535] ^= 1;
    assert!(!manifest.verify_piece(0, &changed));
    assert!(!manifest.verify_piece(0, &first[1..]));
    assert!(!manifest.verify_piece(99, first));
}

#[test]
fn files_that_no_folder_tree_can_hold_are_refused() {
    for (first, second) in [
        ("a", "a"),
        ("a", "A"),
        ("a", "a/b"),
        ("A", "a/b"),
        ("x/ä", "x/Ä"),
        ("a/B/c", "a/b"),
    ] {
        let files = vec![entry(first, 1), entry(second, 1)];
        let error = ManifestBuilder::new(files, provenance()).unwrap_err();
        let refused = matches!(error, InvalidManifest::Clash(..) | InvalidManifest::Order(_));
        assert!(refused, "{first} {second}: {error}");
    }
    assert!(
        ManifestBuilder::new(
            vec![entry("a", 1), entry("a.b/c", 1), entry("a-b", 1)],
            provenance()
        )
        .is_ok()
    );
}

#[test]
fn too_much_is_refused_before_any_content_is_read() {
    let refused = |files| ManifestBuilder::new(files, provenance()).unwrap_err();
    assert_eq!(refused(vec![]), InvalidManifest::NoFiles);
    let over = artifact::CONTENT_LENGTH_MAX + 1;
    assert_eq!(refused(vec![entry("a", over)]), InvalidManifest::ContentTooLong);
    assert_eq!(
        refused(vec![entry("a", u64::MAX), entry("b", u64::MAX)]),
        InvalidManifest::ContentTooLong
    );
    let many = (0..=artifact::FILES_MAX)
        .map(|number| entry(&format!("{number}"), 0))
        .collect();
    assert_eq!(refused(many), InvalidManifest::TooManyFiles(100_001));
    let long = (0..90_000)
        .map(|number| entry(&format!("{number:0200}"), 0))
        .collect();
    assert_eq!(refused(long), InvalidManifest::TooLong);
}

#[test]
fn the_largest_artifact_fits_its_manifest() {
    let files = vec![entry("a", artifact::CONTENT_LENGTH_MAX)];
    let builder = ManifestBuilder::new(files, provenance()).unwrap();
    let pieces = builder.layout().piece_count();
    assert_eq!(
        (pieces, builder.piece_length()),
        (8192, artifact::PIECE_LENGTH_MAX)
    );
    let manifest = builder.finish(vec![artifact::PieceHash([1; 32]); 8192]).unwrap();
    assert_eq!(Manifest::decode(&manifest.encode()).unwrap().id(), manifest.id());
}

#[test]
fn a_manifest_needs_one_hash_for_each_piece() {
    let builder = ManifestBuilder::new(vec![entry("a", 100_000)], provenance()).unwrap();
    let error = builder.finish(vec![artifact::PieceHash([0; 32])]).unwrap_err();
    assert_eq!(
        error,
        InvalidManifest::PieceCount {
            expected: 2,
            found: 1
        }
    );
}

/// Files with distinct paths, and content for all of them.
fn artifacts() -> impl Strategy<Value = (Vec<FileEntry>, Vec<u8>)> {
    let lengths = prop_oneof![Just(0u64), 1u64..2000, 60_000u64..140_000];
    prop::collection::vec((lengths, any::<bool>()), 1..8).prop_map(|shapes| {
        let files: Vec<FileEntry> = shapes
            .iter()
            .enumerate()
            .map(|(number, &(length, executable))| FileEntry {
                executable,
                ..entry(&format!("folder{}/file{number}", number % 3), length)
            })
            .collect();
        let total = files.iter().map(|file| file.length).sum::<u64>();
        (files, (0..total).map(|at| (at * 131 % 253) as u8).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_manifest_survives_its_encoding((files, content) in artifacts()) {
        let manifest = build(files, &content);
        let encoded = manifest.encode();
        prop_assert_eq!(manifest.id().0, *blake3::hash(&encoded).as_bytes());
        prop_assert_eq!(Manifest::decode(&encoded).unwrap(), manifest);
    }

    #[test]
    fn pieces_merge_to_the_hash_of_the_whole((files, content) in artifacts()) {
        let manifest = build(files, &content);
        prop_assert_eq!(manifest.content_hash(), *blake3::hash(&content).as_bytes());
        for piece in 0..manifest.piece_count() {
            let range = manifest.piece_range(piece);
            prop_assert!(manifest.verify_piece(piece, &content[range.start as usize..range.end as usize]));
        }
    }

    #[test]
    fn segments_cover_a_range_exactly((files, content) in artifacts(), from in 0u64..500_000, length in 0u64..500_000) {
        let manifest = build(files, &content);
        let total = manifest.total_length();
        let (start, end) = (from.min(total), (from + length).min(total));
        let mut at = start;
        for Segment { file, offset, length } in manifest.segments(from..from + length) {
            let before: u64 = manifest.files()[..file].iter().map(|file| file.length).sum();
            prop_assert_eq!(before + offset, at);
            prop_assert!(length > 0 && offset + length <= manifest.files()[file].length);
            at += length;
        }
        prop_assert_eq!(at, end);
    }

    #[test]
    fn no_damage_goes_unseen((files, content) in artifacts(), position in any::<prop::sample::Index>(), flip in 1u8..) {
        let manifest = build(files, &content);
        let mut bytes = manifest.encode();
        let at = position.index(bytes.len());
        bytes[at] ^= flip;
        // Either refused, or another manifest with another name: never the same artifact.
        if let Ok(other) = Manifest::decode(&bytes) {
            prop_assert_ne!(other.id(), manifest.id());
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    #[test]
    fn a_cut_manifest_is_refused((files, content) in artifacts(), position in any::<prop::sample::Index>()) {
        let bytes = build(files, &content).encode();
        prop_assert!(Manifest::decode(&bytes[..position.index(bytes.len())]).is_err());
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut with_magic = b"starling-manifest\x01".to_vec();
        with_magic.extend(&bytes);
        prop_assert!(Manifest::decode(&bytes).is_err());
        let _ = Manifest::decode(&with_magic);
    }
}
