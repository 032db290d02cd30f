//! Stored manifests: the last object of an artifact, and its only public face.

use super::read::READ_LENGTH_MAX;
use super::{Error, InvalidStoredManifest, Store, StoredManifest};
use bytes::{Bytes, BytesMut};
use model::ArtifactId;

pub(super) fn manifest_key(artifact: &ArtifactId) -> String {
    format!("manifests/{artifact}")
}

impl Store {
    /// Publishes an artifact whose content is already in the store.
    ///
    /// # Errors
    /// Fails when the store does; nothing is published then, or the same again.
    pub async fn put_manifest(&self, manifest: &StoredManifest) -> Result<(), Error> {
        let key = manifest_key(&manifest.signed.artifact());
        self.put(&key, Bytes::from(manifest.encode())).await
    }

    /// Reads an artifact's manifest, or `None` where the artifact isn't published. Its hash is checked,
    /// its signature isn't.
    ///
    /// # Errors
    /// Fails when the store does, and refuses an object that is no manifest of this artifact.
    pub async fn get_manifest(&self, artifact: &ArtifactId) -> Result<Option<StoredManifest>, Error> {
        let key = manifest_key(artifact);
        let Some(head) = self.head(&key).await? else {
            return Ok(None);
        };
        let refused = |source| Error::StoredManifest {
            artifact: *artifact,
            source,
        };
        if head.length > StoredManifest::LENGTH_MAX as u64 {
            return Err(refused(InvalidStoredManifest::Header));
        }
        let mut bytes = BytesMut::with_capacity(head.length as usize);
        while (bytes.len() as u64) < head.length {
            let start = bytes.len() as u64;
            let end = head.length.min(start + READ_LENGTH_MAX);
            bytes.extend_from_slice(&self.read_object(&key, start..end).await?);
        }
        let manifest = StoredManifest::decode(&bytes).map_err(refused)?;
        if manifest.signed.artifact() != *artifact {
            return Err(refused(InvalidStoredManifest::OtherArtifact));
        }
        Ok(Some(manifest))
    }
}
