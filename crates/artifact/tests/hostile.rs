//! Every kind of malformed manifest is refused for its own reason. The claimed counts and lengths are such
//! that taking memory for one of them would end the process.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

use artifact::{InvalidManifest, InvalidPath, Manifest};
use serde::Serialize;

#[derive(Serialize, Clone)]
struct Header {
    repository: &'static str,
    commit: &'static str,
    target: &'static str,
    piece_length: u32,
    piece_hashes: Vec<u8>,
    files: u64,
}

#[derive(Serialize)]
struct File(&'static str, bool, u64);

fn good_header() -> Header {
    Header {
        repository: "murmuration",
        commit: "0123456789abcdef0123456789abcdef01234567",
        target: "//wing:feather",
        piece_length: 65_536,
        piece_hashes: vec![0; 32],
        files: 1,
    }
}

fn bytes_of(header: &Header, files: &[File]) -> Vec<u8> {
    let mut bytes = b"starling-manifest\x01".to_vec();
    bytes.extend(postcard::to_stdvec(header).unwrap());
    for file in files {
        bytes.extend(postcard::to_stdvec(file).unwrap());
    }
    bytes
}

fn refused(change: impl FnOnce(&mut Header), files: &[File]) -> InvalidManifest {
    let mut header = good_header();
    change(&mut header);
    Manifest::decode(&bytes_of(&header, files)).unwrap_err()
}

const FILE: File = File("a", false, 10);

#[test]
fn the_form_that_the_other_tests_spoil_is_accepted() {
    assert!(Manifest::decode(&bytes_of(&good_header(), &[FILE])).is_ok());
}

#[test]
fn a_claimed_count_of_files_is_refused_before_memory_is_taken() {
    let claim = |files| move |header: &mut Header| header.files = files;
    assert_eq!(
        refused(claim(u64::MAX), &[FILE]),
        InvalidManifest::TooManyFiles(u64::MAX)
    );
    assert_eq!(
        refused(claim(100_001), &[FILE]),
        InvalidManifest::TooManyFiles(100_001)
    );
    assert!(matches!(
        refused(claim(100_000), &[FILE]),
        InvalidManifest::Encoding(_)
    ));
    assert!(matches!(refused(claim(2), &[FILE]), InvalidManifest::Encoding(_)));
    assert_eq!(refused(claim(0), &[FILE]), InvalidManifest::NoFiles);
    assert_eq!(
        refused(claim(1), &[FILE, File("b", false, 0)]),
        InvalidManifest::NotCanonical
    );
}

#[test]
fn a_claimed_length_of_hashes_or_text_is_refused() {
    // Where the hashes' length stands, claim the largest one.
    let mut bytes = bytes_of(
        &Header {
            piece_hashes: vec![],
            ..good_header()
        },
        &[],
    );
    bytes.truncate(bytes.len() - 2);
    bytes.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    assert!(matches!(
        Manifest::decode(&bytes),
        Err(InvalidManifest::Encoding(_))
    ));
}

#[test]
fn the_number_of_hashes_must_be_that_of_the_pieces() {
    let hashes = |length| move |header: &mut Header| header.piece_hashes = vec![0; length];
    let found = |found| InvalidManifest::PieceCount { expected: 1, found };
    assert_eq!(refused(hashes(0), &[FILE]), found(0));
    assert_eq!(refused(hashes(64), &[FILE]), found(2));
    assert!(matches!(
        refused(hashes(31), &[FILE]),
        InvalidManifest::Encoding(_)
    ));
}

#[test]
fn a_piece_length_that_is_not_ours_is_refused() {
    for length in [0, 1, 65_535, 65_537, 3 << 16, 16 << 20, u32::MAX] {
        let error = refused(|header| header.piece_length = length, &[FILE]);
        assert_eq!(error, InvalidManifest::PieceLength(length));
    }
}

#[test]
fn content_that_is_too_long_is_refused() {
    let over = artifact::CONTENT_LENGTH_MAX + 1;
    assert_eq!(
        refused(|_| (), &[File("a", false, over)]),
        InvalidManifest::ContentTooLong
    );
    let two = [File("a", false, u64::MAX), File("b", false, u64::MAX)];
    assert_eq!(
        refused(|header| header.files = 2, &two),
        InvalidManifest::ContentTooLong
    );
}

#[test]
fn paths_that_leave_clash_or_stand_out_of_order_are_refused() {
    for path in ["../a", "/a", "a/../../b", "a//b", "a\\b"] {
        let error = refused(|_| (), &[File(path, false, 10)]);
        assert!(matches!(error, InvalidManifest::Path(_)), "{path}: {error}");
    }
    let length = "a/".repeat(513).leak();
    assert_eq!(
        refused(|_| (), &[File(length, false, 1)]),
        InvalidManifest::Path(InvalidPath::Length)
    );
    for (first, second) in [("b", "a"), ("a", "a")] {
        let files = [File(first, false, 5), File(second, false, 5)];
        let error = refused(|header| header.files = 2, &files);
        assert!(
            matches!(error, InvalidManifest::Order(_)),
            "{first} {second}: {error}"
        );
    }
    for (first, second) in [("A", "a"), ("a", "a/b")] {
        let files = [File(first, false, 5), File(second, false, 5)];
        let error = refused(|header| header.files = 2, &files);
        assert!(
            matches!(error, InvalidManifest::Clash(..)),
            "{first} {second}: {error}"
        );
    }
}

#[test]
fn an_impossible_provenance_is_refused() {
    let word = InvalidManifest::Provenance;
    assert_eq!(
        refused(|header| header.repository = "../x", &[FILE]),
        word("repository")
    );
    assert_eq!(refused(|header| header.commit = "main", &[FILE]), word("commit"));
    assert_eq!(
        refused(|header| header.target = "//../x:y", &[FILE]),
        word("target")
    );
}

#[test]
fn other_bytes_and_later_versions_are_refused() {
    assert_eq!(Manifest::decode(b""), Err(InvalidManifest::Magic));
    assert_eq!(
        Manifest::decode(b"starling-manifest"),
        Err(InvalidManifest::Magic)
    );
    assert_eq!(
        Manifest::decode(b"starling-manifest\x02"),
        Err(InvalidManifest::Version(2))
    );
    let long = vec![0; artifact::MANIFEST_LENGTH_MAX + 1];
    assert_eq!(Manifest::decode(&long), Err(InvalidManifest::TooLong));
}

#[test]
fn a_second_way_to_write_the_same_manifest_is_refused() {
    let good = bytes_of(&good_header(), &[FILE]);
    // The file's length, 10, written in two bytes where one is enough.
    let mut padded = good.clone();
    padded.pop();
    padded.extend([0x8a, 0x00]);
    assert_eq!(Manifest::decode(&padded), Err(InvalidManifest::NotCanonical));
    assert_eq!(
        Manifest::decode(&[good, vec![0]].concat()),
        Err(InvalidManifest::NotCanonical)
    );
}
