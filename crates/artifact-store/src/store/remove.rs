//! Removing an artifact.

use super::content_key::CONTENT_PREFIX;
use super::logs::log_prefix;
use super::{ContentKey, Error, Store};
use model::{ArtifactId, BuildId};
use std::time::Instant;

impl Store {
    /// Removes an artifact: what copies and the builds that made it have left unfinished, their content, and at last
    /// the manifest, so that a crash on the way leaves what is needed to go on. What is not there is no error, so doing
    /// it twice changes nothing. Nothing is asked of the store after `until`; what was asked before, it may still do.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when `until` came first; fails when the store does.
    pub async fn remove_artifact(
        &self,
        artifact: &ArtifactId,
        builds: &[BuildId],
        until: Instant,
    ) -> Result<(), Error> {
        let removing = async {
            let replica = ContentKey::of_replica(artifact).to_string();
            let of_builds = builds.iter().map(|build| format!("{build}-"));
            for prefix in std::iter::once(replica).chain(of_builds) {
                self.remove_content(&prefix, until).await?;
            }
            // Where another's build had made the same bytes before, its content is the artifact's.
            match self.get_manifest(artifact).await {
                Ok(None) => return Ok(()),
                Ok(Some(stored)) => self.remove(&stored.content_key.object(), until).await?,
                Err(Error::StoredManifest { .. }) => {}
                Err(error) => return Err(error),
            }
            self.remove(&super::manifests::manifest_key(artifact), until)
                .await
        };
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(until.into()) => Err(Error::Cancelled),
            removed = removing => removed,
        }
    }

    /// Removes content that no manifest names. What is not there is no error.
    ///
    /// # Errors
    /// Fails when the store does.
    pub async fn remove_unpublished(&self, key: &ContentKey) -> Result<(), Error> {
        self.delete(&key.object()).await
    }

    /// The content that the attempts at a build have completed, whether a manifest names it or not.
    ///
    /// # Errors
    /// Fails when the store does.
    pub async fn contents_of(&self, build: BuildId) -> Result<Vec<ContentKey>, Error> {
        let keys = self.list(&format!("{CONTENT_PREFIX}{build}-")).await?;
        let keys = keys
            .iter()
            .filter_map(|key| key.strip_prefix(CONTENT_PREFIX)?.parse().ok());
        Ok(keys.collect())
    }

    /// Removes a build's log, and what a crash may have left of another form of it.
    ///
    /// # Errors
    /// Fails when the store does.
    pub async fn remove_logs(&self, build: BuildId) -> Result<(), Error> {
        for key in self.list(&log_prefix(build)).await? {
            self.delete(&key).await?;
        }
        Ok(())
    }

    /// Removes all content whose key begins with `prefix`, finished or not.
    async fn remove_content(&self, prefix: &str, until: Instant) -> Result<(), Error> {
        for upload in self.unfinished(prefix).await? {
            in_time(until)?;
            self.abort_upload(&upload.ticket).await?;
        }
        for key in self.list(&format!("{CONTENT_PREFIX}{prefix}")).await? {
            self.remove(&key, until).await?;
        }
        Ok(())
    }

    /// The keys that begin with `prefix`; one page, which holds far more than the attempts at one build leave.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let bucket = &self.config.bucket;
        let request = self.client.list_objects_v2().bucket(bucket).prefix(prefix);
        let page = request.send().await;
        let page = page.map_err(|error| Error::request("list", bucket, prefix, error))?;
        let keys = page.contents.unwrap_or_default().into_iter();
        Ok(keys.filter_map(|object| object.key).collect())
    }

    async fn remove(&self, key: &str, until: Instant) -> Result<(), Error> {
        in_time(until)?;
        self.delete(key).await
    }

    /// Removes an object; S3 answers the same where there is none.
    async fn delete(&self, key: &str) -> Result<(), Error> {
        let request = self.client.delete_object().bucket(&self.config.bucket).key(key);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match Error::request("remove", &self.config.bucket, key, error) {
                error if error.has_code("NoSuchKey") || error.has_code("NotFound") => Ok(()),
                error => Err(error),
            },
        }
    }
}

/// Looked at right before each order to remove something, since a process may have been stopped for hours.
fn in_time(until: Instant) -> Result<(), Error> {
    if Instant::now() < until {
        Ok(())
    } else {
        Err(Error::Cancelled)
    }
}
