//! Published artifacts.

use super::Builds;
use crate::{Error, Hint, hints, row};
use model::{ArtifactId, BuildId, Commit, RepositoryName, Target};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

/// An artifact, and a build that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Which artifact.
    pub id: ArtifactId,
    /// Which build made it.
    pub build: BuildId,
    /// From which repository.
    pub repository: RepositoryName,
    /// From which commit.
    pub commit: Commit,
    /// From which target.
    pub target: Target,
    /// The length of its content.
    pub total_bytes: u64,
}

impl FromRow<'_, PgRow> for Artifact {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row::word(row, "id")?,
            build: BuildId(row.try_get("build")?),
            repository: row::word(row, "repository")?,
            commit: row::word(row, "commit_id")?,
            target: row::word(row, "target")?,
            total_bytes: row::size(row, "total_bytes")?,
        })
    }
}

impl Builds {
    /// Records what a SUCCEEDED build made, and that every region should hold a replica of it. Doing it
    /// twice changes nothing.
    pub async fn record_artifact(&self, artifact: &Artifact) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        lock_regions(&mut transaction).await?;
        sqlx::query(
            "INSERT INTO artifacts (id, repository, commit_id, target, total_bytes)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(artifact.id.to_string())
        .bind(artifact.repository.as_str())
        .bind(artifact.commit.as_str())
        .bind(artifact.target.as_str())
        .bind(row::signed(artifact.total_bytes))
        .execute(&mut *transaction)
        .await?;
        let made = sqlx::query(
            "INSERT INTO artifact_builds (build, artifact) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(artifact.build.0)
        .bind(artifact.id.to_string())
        .execute(&mut *transaction)
        .await?;
        if made.rows_affected() > 0 {
            bring_back(&mut transaction, &artifact.id).await?;
        }
        if want_replicas(&mut transaction, &artifact.id).await? {
            hints::send(&mut transaction, Hint::Replica(artifact.id)).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// What a build made, once it was recorded.
    pub async fn artifact_of(&self, build: BuildId) -> Result<Option<Artifact>, Error> {
        let artifact = sqlx::query_as(
            "SELECT artifacts.*, artifact_builds.build
             FROM artifact_builds JOIN artifacts ON artifacts.id = artifact_builds.artifact
             WHERE artifact_builds.build = $1",
        )
        .bind(build.0)
        .fetch_optional(&self.pool)
        .await?;
        Ok(artifact)
    }
}

/// Keeps the set of regions as it is until the transaction ends, so that a region that is added at the
/// same moment is either seen here or sees what is written here.
pub(super) async fn lock_regions(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("LOCK TABLE regions IN SHARE MODE")
        .execute(connection)
        .await?;
    Ok(())
}

/// A new build has made what was withdrawn: it is there again, and may be needed.
async fn bring_back(connection: &mut PgConnection, artifact: &ArtifactId) -> Result<(), Error> {
    sqlx::query(
        "UPDATE artifacts SET withdrawn_at = NULL, withdrawn_by = NULL, removed_at = NULL, collected_at = NULL
         WHERE id = $1 AND withdrawn_at IS NOT NULL",
    )
    .bind(artifact.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes a PENDING replica where a region lacks one of an artifact that was not withdrawn; `true` when one
/// did.
pub(super) async fn want_replicas(
    connection: &mut PgConnection,
    artifact: &ArtifactId,
) -> Result<bool, Error> {
    let made = sqlx::query(
        "INSERT INTO replicas (artifact, region)
         SELECT artifacts.id, regions.name FROM artifacts, regions
         WHERE artifacts.id = $1 AND artifacts.withdrawn_at IS NULL ON CONFLICT DO NOTHING",
    )
    .bind(artifact.to_string())
    .execute(connection)
    .await?;
    Ok(made.rows_affected() > 0)
}
