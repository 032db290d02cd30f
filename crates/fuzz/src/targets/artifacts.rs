//! What lies in a store beside the content.

use super::values;
use artifact::{BuildRun, Envelope, Manifest, SignedManifest, SigningKey, Statement, TrustedKeys};

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
    // Others may put signatures of their own beside the owner's, which changes nothing of what is believed.
    let example = signed_example();
    let payload = |signed: &SignedManifest| signed.envelope().payload().to_vec();
    assert!(!believed || (signed.artifact(), payload(&signed)) == (example.artifact(), payload(&example)));
}

pub(super) fn signed_manifest_examples() -> Vec<Vec<u8>> {
    vec![signed_example().encode()]
}

fn signed_example() -> SignedManifest {
    let signed = key().sign(&values::manifest(), run());
    // Proof: the run is far shorter than a statement may be.
    signed.expect("a short statement")
}

/// An envelope has one encoding.
pub(super) fn envelope(bytes: &[u8]) {
    if let Ok(envelope) = Envelope::decode(bytes) {
        assert_eq!(envelope.encode(), bytes);
    }
}

pub(super) fn envelope_examples() -> Vec<Vec<u8>> {
    vec![signed_example().envelope().encode()]
}

/// What a statement says survives its encoding.
pub(super) fn statement(bytes: &[u8]) {
    if let Ok(statement) = Statement::decode(bytes) {
        assert_eq!(Statement::decode(&statement.encode()).ok(), Some(statement));
    }
}

pub(super) fn statement_examples() -> Vec<Vec<u8>> {
    vec![Statement::new(&values::manifest(), run()).encode()]
}

fn run() -> BuildRun {
    BuildRun {
        source: Some("https://example.org/x.git".to_owned()),
        invocation: Some("one".to_owned()),
        started_on: Some(jiff::Timestamp::UNIX_EPOCH),
        ..BuildRun::default()
    }
}

fn key() -> SigningKey {
    SigningKey::generate([1; 32])
}
