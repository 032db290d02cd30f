//! Where artifacts and their manifests lie.

use crate::Error;
use artifact::SignedManifest;
use fs_err as fs;
use model::ArtifactId;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
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

/// Deletes an artifact: its manifest last, since that is small and names what else is to go.
pub(super) fn remove(folder: &Path, artifact: &ArtifactId) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    gone(fs::remove_dir_all(content(folder, artifact)))?;
    gone(fs::remove_file(manifest(folder, artifact)))
}
