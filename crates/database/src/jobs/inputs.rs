//! What builds were made of, to find what was built from the same files before.

use super::{Jobs, Made};
use crate::{Error, row};
use model::{ArtifactId, BuildId, Commit, InputKey, LeaseId};
use sqlx::Row;

/// A build that succeeded with the same inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierBuild {
    /// The one that really ran.
    pub build: BuildId,
    /// At which commit.
    pub commit: Commit,
    /// What it made; nothing for a test.
    pub made: Option<Made>,
}

impl Jobs {
    /// Records what a build is made of, and the build whose result it takes over, if it does. It counts once
    /// the build has SUCCEEDED under this lease.
    ///
    /// Fails with [`Error::LeaseLost`].
    pub async fn note_inputs(
        &self,
        build: BuildId,
        lease: LeaseId,
        inputs: &InputKey,
        reused_from: Option<BuildId>,
    ) -> Result<(), Error> {
        let mut transaction = self.fenced(build, lease).await?;
        sqlx::query(
            "INSERT INTO build_inputs (build, lease, input_key, reused_from) VALUES ($1, $2, $3, $4)
             ON CONFLICT (build) DO UPDATE
             SET lease = excluded.lease, input_key = excluded.input_key, reused_from = excluded.reused_from",
        )
        .bind(build.0)
        .bind(lease.0)
        .bind(inputs.0.as_slice())
        .bind(reused_from.map(|build| build.0))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The newest build that ran and succeeded with these inputs.
    pub async fn built_from(&self, inputs: &InputKey) -> Result<Option<EarlierBuild>, Error> {
        let found = sqlx::query(
            "SELECT results.build, builds.commit_id, results.artifact, results.total_bytes
             FROM build_inputs AS inputs
             JOIN results ON results.build = inputs.build AND results.lease = inputs.lease
             JOIN builds ON builds.id = results.build
             WHERE inputs.input_key = $1 AND inputs.reused_from IS NULL AND results.state = 'SUCCEEDED'
             ORDER BY results.finished_at DESC LIMIT 1",
        )
        .bind(inputs.0.as_slice())
        .fetch_optional(&self.pool)
        .await?;
        let Some(found) = found else { return Ok(None) };
        let artifact: Option<ArtifactId> = row::word_option(&found, "artifact")?;
        let total_bytes = row::size_option(&found, "total_bytes")?;
        Ok(Some(EarlierBuild {
            build: BuildId(found.try_get("build")?),
            commit: row::word(&found, "commit_id")?,
            made: artifact.zip(total_bytes).map(|(artifact, total_bytes)| Made {
                artifact,
                total_bytes,
            }),
        }))
    }

    /// The build whose result another has taken over, because their inputs are the same.
    pub async fn reused_from(&self, build: BuildId) -> Result<Option<BuildId>, Error> {
        let found: Option<uuid::Uuid> = sqlx::query_scalar(
            "SELECT inputs.reused_from
             FROM build_inputs AS inputs
             JOIN results ON results.build = inputs.build AND results.lease = inputs.lease
             WHERE inputs.build = $1 AND inputs.reused_from IS NOT NULL AND results.state = 'SUCCEEDED'",
        )
        .bind(build.0)
        .fetch_optional(&self.pool)
        .await?;
        Ok(found.map(BuildId))
    }
}
