//! One file as an artifact.

use artifact::{
    BuildRun, FileEntry, Manifest, Provenance, SignedManifest, SigningKey, TrustedKeys, VerifiedManifest,
};
use artifact_store::Outputs;
use std::path::Path;

/// The name of the one file of the artifact.
const FILE: &str = "content";
/// Fixed: nothing here is secret, and every process makes the same key of it.
const SIGNING_SEED: [u8; 32] = [1; 32];

/// A file as what a build has made.
///
/// # Errors
/// When it can't be looked at.
pub fn content_of_one_file(path: &Path) -> anyhow::Result<Outputs> {
    let entry = FileEntry {
        path: FILE.parse()?,
        executable: false,
        length: fs_err::metadata(path)?.len(),
    };
    Ok(Outputs {
        files: vec![(entry, path.to_owned())],
        provenance: Provenance {
            repository: "bench".parse()?,
            commit: "a".repeat(40).parse()?,
            target: "//:bench".parse()?,
        },
    })
}

/// Signs a manifest with the key of all benches.
pub fn sign(manifest: &Manifest) -> SignedManifest {
    let signed = SigningKey::generate(SIGNING_SEED).sign(manifest, BuildRun::default());
    // Proof: a statement that says as little as possible is short enough.
    signed.expect("a short statement")
}

/// Checks a signature of [`sign`].
///
/// # Errors
/// When it is another's.
pub fn verify(signed: &SignedManifest) -> anyhow::Result<VerifiedManifest> {
    let trusted = TrustedKeys::new([SigningKey::generate(SIGNING_SEED).public()])?;
    Ok(trusted.verify(signed)?)
}
