//! Signatures: what is trusted, and what is not.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

mod common;

use artifact::{
    BuildRun, InvalidKey, Manifest, NotTrusted, PublicKey, SignedManifest, SigningKey, TrustedKeys,
};
use common::{build, entry};

fn key(number: u8) -> SigningKey {
    SigningKey::generate([number; 32])
}

fn trusting(keys: &[u8]) -> TrustedKeys {
    TrustedKeys::new(keys.iter().map(|&number| key(number).public())).unwrap()
}

fn sign(number: u8, manifest: &Manifest) -> SignedManifest {
    key(number).sign(manifest, BuildRun::default()).unwrap()
}

fn signed() -> SignedManifest {
    sign(1, &build(vec![entry("a", 3)], b"abc"))
}

#[test]
fn a_trusted_signature_gives_the_manifest_that_was_signed() {
    let verified = trusting(&[2, 1]).verify(&signed()).unwrap();
    assert_eq!(verified.id(), signed().artifact());
    assert_eq!(verified.total_length(), 3);
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let error = trusting(&[2, 3]).verify(&signed()).unwrap_err();
    assert_eq!(error, NotTrusted::UnknownKey(key(1).public().id()));
}

#[test]
fn every_changed_byte_of_a_signed_manifest_is_noticed() {
    let trusted = trusting(&[1]);
    let bytes = signed().encode();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        let verified = SignedManifest::decode(&changed).map(|signed| trusted.verify(&signed));
        assert!(!matches!(verified, Ok(Ok(_))), "byte {at}");
    }
}

/// An envelope of one before a manifest of another.
fn mixed(envelope: &SignedManifest, manifest: &SignedManifest) -> SignedManifest {
    let head = |signed: &SignedManifest| 25 + 4 + signed.envelope().encode().len();
    let (first, second) = (envelope.encode(), manifest.encode());
    let bytes = [&first[..head(envelope)], &second[head(manifest)..]].concat();
    SignedManifest::decode(&bytes).unwrap()
}

#[test]
fn a_statement_about_another_artifact_does_not_let_a_manifest_in() {
    let other = sign(1, &build(vec![entry("a", 3)], b"abd"));
    let error = trusting(&[1]).verify(&mixed(&other, &signed())).unwrap_err();
    assert_eq!(error, NotTrusted::OtherArtifact(other.artifact()));
}

#[test]
fn a_statement_signed_by_the_wrong_key_is_refused_whatever_key_it_names() {
    let bytes = signed().encode();
    let (mine, other) = (key(1).public().id(), key(2).public().id());
    let text = String::from_utf8(signed().envelope().encode()).unwrap();
    let renamed = text.replace(&mine.to_string(), &other.to_string());
    let forged = [&bytes[..29], renamed.as_bytes(), &bytes[29 + text.len()..]].concat();
    let forged = SignedManifest::decode(&forged).unwrap();
    assert_eq!(
        trusting(&[1, 2]).verify(&forged).unwrap_err(),
        NotTrusted::Signature(other)
    );
}

#[test]
fn while_keys_are_changed_both_are_trusted() {
    let (old, new) = (signed(), sign(2, &build(vec![entry("a", 3)], b"abc")));
    let both = trusting(&[1, 2]);
    assert!(both.verify(&old).is_ok() && both.verify(&new).is_ok());
    let after = trusting(&[2]);
    assert_eq!(
        after.verify(&old).unwrap_err(),
        NotTrusted::UnknownKey(key(1).public().id())
    );
    assert!(after.verify(&new).is_ok());
}

#[test]
fn a_signed_manifest_survives_its_encoding_and_a_cut_one_is_refused() {
    let bytes = signed().encode();
    assert_eq!(SignedManifest::decode(&bytes).unwrap(), signed());
    assert!(SignedManifest::decode(&bytes[..90]).is_err());
    assert!(SignedManifest::decode(&vec![0; SignedManifest::LENGTH_MAX + 1]).is_err());
    let cut = SignedManifest::decode(&bytes[..bytes.len() - 1]).unwrap();
    assert!(trusting(&[1]).verify(&cut).is_err());
}

#[test]
fn keys_survive_their_text_and_bad_text_is_refused() {
    let secret = SigningKey::from_hex(&key(9).to_hex()).unwrap();
    assert_eq!(secret.public(), key(9).public());
    assert_eq!(
        key(9).public().to_string().parse::<PublicKey>().unwrap(),
        key(9).public()
    );
    assert_eq!("00".parse::<PublicKey>(), Err(InvalidKey::Digits));
    // The neutral element verifies signatures that nobody made.
    let neutral = format!("01{}", "0".repeat(62));
    assert_eq!(neutral.parse::<PublicKey>(), Err(InvalidKey::Point));
}

#[test]
fn a_secret_key_does_not_show_in_its_debug_form() {
    assert!(!format!("{:?}", key(9)).contains(&key(9).to_hex()));
}

#[test]
fn one_to_eight_keys_are_trusted() {
    let count = |count: u8| TrustedKeys::new((0..count).map(|number| key(number).public())).map(|_| ());
    assert_eq!(count(0), Err(InvalidKey::Count(0)));
    assert_eq!((count(1), count(8)), (Ok(()), Ok(())));
    assert_eq!(count(9), Err(InvalidKey::Count(9)));
    assert_eq!(count(200), Err(InvalidKey::Count(9)));
}
