//! One file as an artifact.

use crate::server::sender;
use artifact::{
    BuildRun, FileEntry, Manifest, Provenance, SignedManifest, SigningKey, TrustedKeys, VerifiedManifest,
};
use artifact_store::{ContentKey, Outputs, Store, StoredManifest};
use std::path::Path;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The name of the one file of the artifact.
const FILE: &str = "content";
/// Fixed: nothing here is secret, and every process makes the same key of it.
const SIGNING_SEED: [u8; 32] = [1; 32];

/// A file as what a build has made.
fn content_of_one_file(path: &Path) -> anyhow::Result<Outputs> {
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

/// Brings a file to a store as an artifact, whose content gets this key.
///
/// # Errors
/// When the file can't be read or the store refuses it.
pub async fn put_artifact(store: &Store, key: &ContentKey, file: &Path) -> anyhow::Result<StoredManifest> {
    let (progress, stop) = (watch::Sender::new(0), CancellationToken::new());
    let outputs = content_of_one_file(file)?;
    let uploaded = store.upload(&sender()?, key, outputs, progress, stop).await?;
    let manifest = StoredManifest {
        signed: sign(&uploaded.manifest),
        total: uploaded.manifest.total_length(),
        content_key: uploaded.content_key,
        crc64nvme: uploaded.crc64nvme,
    };
    store.put_manifest(&manifest).await?;
    Ok(manifest)
}

/// Signs a manifest with the key of all benches.
fn sign(manifest: &Manifest) -> SignedManifest {
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
