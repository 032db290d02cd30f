//! Where artifacts and their manifests lie.

use crate::Error;
use artifact::{Manifest, SignedManifest};
use fs_err as fs;
use model::ArtifactId;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folder of an artifact's files.
pub(super) fn content(folder: &Path, artifact: &ArtifactId) -> PathBuf {
    folder.join("artifacts").join(artifact.to_string())
}

fn manifest(folder: &Path, artifact: &ArtifactId) -> PathBuf {
    folder.join("manifests").join(artifact.to_string())
}

/// Makes the folders, and lists every artifact of which anything is there.
pub(super) async fn open(folder: std::sync::Arc<Path>) -> Result<BTreeSet<ArtifactId>, Error> {
    let look = move || {
        let mut found = BTreeSet::new();
        for part in ["artifacts", "manifests"] {
            let path = folder.join(part);
            let failed = |source| Error::Folder {
                path: path.clone(),
                source,
            };
            fs::create_dir_all(&path).map_err(failed)?;
            for entry in fs::read_dir(&path).map_err(failed)? {
                let name = entry.map_err(failed)?.file_name();
                // Whatever else lies here is not ours to delete.
                found.extend(name.to_str().and_then(|name| name.parse::<ArtifactId>().ok()));
            }
        }
        Ok(found)
    };
    tokio::task::spawn_blocking(look).await?
}

/// The manifest that was stored; `None` where there is none, or none that can be read as one.
pub(super) fn load_manifest(folder: &Path, artifact: &ArtifactId) -> io::Result<Option<SignedManifest>> {
    let file = match fs::File::open(manifest(folder, artifact)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    // One byte more than there may be, so that what is too long is seen to be.
    file.take(SignedManifest::LENGTH_MAX as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(SignedManifest::decode(&bytes).ok())
}

/// Stores a manifest so that it is there as a whole or not at all.
pub(super) fn store_manifest(
    folder: &Path,
    artifact: &ArtifactId,
    signed: &SignedManifest,
) -> io::Result<()> {
    let path = manifest(folder, artifact);
    let beside = path.with_extension("new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(&signed.encode())?;
    file.sync_all()?;
    fs::rename(&beside, &path)
}

/// Space that no artifact may take, in bytes, so that the ledger can be written and services can log.
const RESERVE: u64 = 64 << 20;

/// Bytes that lack on the file system before an artifact fits; none where it does.
pub(super) fn lacking(folder: &Path, artifact: &ArtifactId, manifest: &Manifest) -> io::Result<Option<u64>> {
    let content = content(folder, artifact);
    let mut taken = 0;
    for file in manifest.files() {
        match fs::symlink_metadata(content.join(file.path.as_str())) {
            // A file may have its whole length and hardly any blocks.
            Ok(found) => taken += found.blocks().saturating_mul(512),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let space = rustix::fs::statvfs(folder)?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    Ok(shortage(manifest.total_length(), taken, free))
}

fn shortage(total: u64, taken: u64, free: u64) -> Option<u64> {
    let needed = match total.saturating_sub(taken) {
        // Nothing more is taken, however little there is.
        0 => 0,
        missing => missing.saturating_add(RESERVE),
    };
    needed.checked_sub(free).filter(|&lacking| lacking > 0)
}

/// Deletes an artifact: its manifest last, since that is small and names what else is to go.
pub(super) fn remove(folder: &Path, artifact: &ArtifactId) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    gone(fs::remove_dir_all(content(folder, artifact)))?;
    gone(fs::remove_file(manifest(folder, artifact)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_must_fit_beside_a_reserve_unless_it_is_here_already() {
        assert_eq!(shortage(100, 0, RESERVE + 100), None);
        assert_eq!(shortage(100, 0, RESERVE + 99), Some(1));
        assert_eq!(shortage(100, 40, RESERVE + 60), None);
        assert_eq!(shortage(100, 100, 0), None);
        assert_eq!(shortage(u64::MAX, 0, 0), Some(u64::MAX));
    }
}
