//! An artifact's copies in the regions' stores.

use super::Builds;
use crate::{Error, Hint, ROWS_MAX, hints, row};
use jiff::Timestamp;
use model::{ArtifactId, RegionName, ReplicaState};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{FromRow, Postgres, Row};

/// The longest stored reason, in bytes.
const REASON_LENGTH_MAX: usize = 1_000;

/// An artifact's copy in one region's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaRow {
    /// Of which artifact.
    pub artifact: ArtifactId,
    /// In which region.
    pub region: RegionName,
    /// Where it stands.
    pub state: ReplicaState,
    /// Bytes copied.
    pub copied_bytes: u64,
    /// The artifact's length.
    pub total_bytes: u64,
    /// How often a copy has failed since the last success.
    pub failures: u32,
    /// Why the last try failed.
    pub reason: Option<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When the first byte was copied.
    pub started_at: Option<Timestamp>,
    /// When it became VERIFIED.
    pub verified_at: Option<Timestamp>,
    /// When it was last compared.
    pub checked_at: Option<Timestamp>,
}

impl FromRow<'_, PgRow> for ReplicaRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let failures: i32 = row.try_get("failures")?;
        Ok(Self {
            artifact: row::word(row, "artifact")?,
            region: row::word(row, "region")?,
            state: row::word(row, "state")?,
            copied_bytes: row::size(row, "copied_bytes")?,
            total_bytes: row::size(row, "total_bytes")?,
            failures: u32::try_from(failures).unwrap_or(0),
            reason: row.try_get("reason")?,
            requested_at: row::time(row, "requested_at")?,
            started_at: row::time_option(row, "started_at")?,
            verified_at: row::time_option(row, "verified_at")?,
            checked_at: row::time_option(row, "checked_at")?,
        })
    }
}

/// The query for [`ReplicaRow`]s, with the given end.
macro_rules! replica_rows {
    ($end:literal) => {
        concat!(
            "SELECT replicas.*, artifacts.total_bytes
             FROM replicas JOIN artifacts ON artifacts.id = replicas.artifact ",
            $end
        )
    };
}

impl Builds {
    /// An artifact's replicas, by region.
    pub async fn replicas(&self, artifact: &ArtifactId) -> Result<Vec<ReplicaRow>, Error> {
        let replicas = sqlx::query_as(replica_rows!(
            "WHERE replicas.artifact = $1 ORDER BY replicas.region LIMIT $2"
        ))
        .bind(artifact.to_string())
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(replicas)
    }

    /// A region's replicas that are not VERIFIED and whose next try is due, those of running deployments
    /// first, then oldest first.
    pub async fn replicas_pending(&self, region: &RegionName, limit: u32) -> Result<Vec<ReplicaRow>, Error> {
        let replicas = sqlx::query_as(replica_rows!(
            "LEFT JOIN LATERAL (
                SELECT true AS wanted FROM outbox
                WHERE outbox.region = replicas.region AND outbox.artifact = replicas.artifact LIMIT 1
             ) AS outbox ON true
             WHERE replicas.region = $1 AND replicas.state <> 'VERIFIED' AND replicas.retry_at <= now()
             ORDER BY outbox.wanted NULLS LAST, replicas.requested_at LIMIT $2"
        ))
        .bind(region.as_str())
        .bind(row::limit(limit, ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(replicas)
    }

    /// The regions that have a VERIFIED replica of an artifact.
    pub async fn regions_with(&self, artifact: &ArtifactId) -> Result<Vec<RegionName>, Error> {
        let replicas = self.replicas(artifact).await?.into_iter();
        let verified = replicas.filter(|replica| replica.state == ReplicaState::Verified);
        Ok(verified.map(|replica| replica.region).collect())
    }

    /// A region's VERIFIED replicas, those compared longest ago first.
    pub async fn replicas_verified(&self, region: &RegionName, limit: u32) -> Result<Vec<ReplicaRow>, Error> {
        let replicas = sqlx::query_as(replica_rows!(
            "WHERE replicas.region = $1 AND replicas.state = 'VERIFIED'
             ORDER BY replicas.checked_at NULLS FIRST LIMIT $2"
        ))
        .bind(region.as_str())
        .bind(row::limit(limit, ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(replicas)
    }

    /// Records that a copy is under way and how far it has come. Leaves a VERIFIED replica alone.
    pub async fn replica_progress(
        &self,
        artifact: &ArtifactId,
        region: &RegionName,
        copied_bytes: u64,
    ) -> Result<(), Error> {
        let query = sqlx::query(
            "UPDATE replicas
             SET state = 'COPYING', copied_bytes = $3, started_at = coalesce(started_at, now())
             WHERE artifact = $1 AND region = $2 AND state <> 'VERIFIED'",
        )
        .bind(artifact.to_string())
        .bind(region.as_str())
        .bind(row::signed(copied_bytes));
        self.change_replica(artifact, query).await
    }

    /// Records that size and checksum were compared in the region, and match.
    pub async fn replica_verified(&self, artifact: &ArtifactId, region: &RegionName) -> Result<(), Error> {
        let query = sqlx::query(
            "UPDATE replicas
             SET state = 'VERIFIED', checked_at = now(), failures = 0, reason = NULL,
                 copied_bytes = artifacts.total_bytes,
                 started_at = coalesce(replicas.started_at, now()),
                 verified_at = CASE WHEN replicas.state = 'VERIFIED' THEN replicas.verified_at ELSE now() END
             FROM artifacts
             WHERE artifacts.id = replicas.artifact AND replicas.artifact = $1 AND replicas.region = $2",
        )
        .bind(artifact.to_string())
        .bind(region.as_str());
        self.change_replica(artifact, query).await
    }

    /// Records that a copy failed. It is due again after a wait that doubles with each failure, from one
    /// second to five minutes. Leaves a VERIFIED replica alone.
    pub async fn replica_failed(
        &self,
        artifact: &ArtifactId,
        region: &RegionName,
        reason: &str,
    ) -> Result<(), Error> {
        let query = sqlx::query(
            "UPDATE replicas
             SET state = 'FAILED', reason = $3, failures = failures + 1,
                 retry_at = now() + make_interval(secs => least(power(2, least(failures, 20)), 300))
             WHERE artifact = $1 AND region = $2 AND state <> 'VERIFIED'",
        )
        .bind(artifact.to_string())
        .bind(region.as_str())
        .bind(&reason[..reason.floor_char_boundary(REASON_LENGTH_MAX)]);
        self.change_replica(artifact, query).await
    }

    /// Records that a VERIFIED replica was compared again and is missing or differs; it is PENDING, asked for
    /// anew, and due at once.
    pub async fn replica_lost(
        &self,
        artifact: &ArtifactId,
        region: &RegionName,
        reason: &str,
    ) -> Result<(), Error> {
        let query = sqlx::query(
            "UPDATE replicas
             SET state = 'PENDING', reason = $3, copied_bytes = 0, started_at = NULL, verified_at = NULL,
                 checked_at = now(), retry_at = now(), requested_at = now()
             WHERE artifact = $1 AND region = $2 AND state = 'VERIFIED'",
        )
        .bind(artifact.to_string())
        .bind(region.as_str())
        .bind(&reason[..reason.floor_char_boundary(REASON_LENGTH_MAX)]);
        self.change_replica(artifact, query).await
    }

    /// Runs an update of one replica, within the term if there is one, and hints at it.
    async fn change_replica(
        &self,
        artifact: &ArtifactId,
        update: Query<'_, Postgres, PgArguments>,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        self.hold_term(&mut transaction).await?;
        if update.execute(&mut *transaction).await?.rows_affected() > 0 {
            hints::send(&mut transaction, Hint::Replica(*artifact)).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
