//! Stored manifests: the last object of an artifact, and its only public face.

use super::{Error, InvalidStoredManifest, Store, StoredManifest};
use bytes::Bytes;
use model::ArtifactId;

const MANIFEST_PREFIX: &str = "manifests/";

pub(super) fn manifest_key(artifact: &ArtifactId) -> String {
    format!("{MANIFEST_PREFIX}{artifact}")
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
        let mut bytes = vec![0; head.length as usize];
        match self.read_into(&key, 0, &mut bytes).await {
            // It was removed since the look.
            Err(error) if error.has_code("NoSuchKey") => return Ok(None),
            read => read?,
        }
        let manifest = StoredManifest::decode(&bytes).map_err(refused)?;
        if manifest.signed.artifact() != *artifact {
            return Err(refused(InvalidStoredManifest::OtherArtifact));
        }
        Ok(Some(manifest))
    }

    /// The published artifacts behind `after` in the order of their ids, at most 1000: ask again with the
    /// last of them until none comes.
    ///
    /// # Errors
    /// Fails when the store does.
    pub async fn artifacts(&self, after: Option<&ArtifactId>) -> Result<Vec<ArtifactId>, Error> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.config.bucket)
            .prefix(MANIFEST_PREFIX);
        let listed = request.set_start_after(after.map(manifest_key)).send().await;
        let page =
            listed.map_err(|error| Error::request("list", &self.config.bucket, MANIFEST_PREFIX, error))?;
        let ids = page
            .contents()
            .iter()
            .filter_map(|object| object.key()?.strip_prefix(MANIFEST_PREFIX)?.parse().ok());
        Ok(ids.collect())
    }
}
