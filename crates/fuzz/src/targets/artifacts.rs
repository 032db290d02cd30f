//! What lies in a store beside the content.

use super::values;
use artifact::{Manifest, SignedManifest, SigningKey, TrustedKeys};

/// A manifest has one encoding, and every piece that it names lies within its content.
pub(super) fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::decode(bytes) else {
        return;
    };
    assert_eq!(manifest.encode(), bytes);
    let mut end = 0;
    for piece in 0..manifest.piece_count().min(1_000) {
        let range = manifest.piece_range(piece);
        assert!(range.start == end && range.end <= manifest.total_length());
        let in_files: u64 = manifest
            .segments(range.clone())
            .map(|segment| segment.length)
            .sum();
        assert_eq!(in_files, range.end - range.start);
        end = range.end;
    }
    for file in manifest.files() {
        let path = file.path.as_str();
        assert!(!path.starts_with('/') && path.split('/').all(|part| !matches!(part, "" | "." | "..")));
    }
}

pub(super) fn manifest_examples() -> Vec<Vec<u8>> {
    vec![values::manifest().encode()]
}

/// A signed manifest has one encoding, and nobody but the key's owner makes one that is believed.
pub(super) fn signed_manifest(bytes: &[u8]) {
    let Ok(signed) = SignedManifest::decode(bytes) else {
        return;
    };
    assert_eq!(signed.encode(), bytes);
    let keys = TrustedKeys::new([key().public()]);
    // Proof: one key is neither none nor too many.
    let believed = keys.expect("one key").verify(&signed).is_ok();
    assert!(!believed || signed_manifest_examples().iter().any(|example| example == bytes));
}

pub(super) fn signed_manifest_examples() -> Vec<Vec<u8>> {
    vec![key().sign(&values::manifest()).encode()]
}

fn key() -> SigningKey {
    SigningKey::generate([1; 32])
}
