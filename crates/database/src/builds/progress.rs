//! How far a deployment has come in each region.

use super::{
    Builds,
    cursors::cursor_of,
    regions::{RegionWord, word_columns, word_of},
};
use crate::{Error, ROWS_MAX, row};
use model::{Cursor, DeploymentId, RegionName, ReplicaState, ServiceName};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row};

/// A deployment's progress in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionProgress {
    /// Which region.
    pub region: RegionName,
    /// The region's copy of the artifact.
    pub replica: Option<ReplicaState>,
    /// How many hosts should have their turn; `None` once a newer deployment took this one's place.
    pub cursor: Option<Cursor>,
    /// Whether it was told that.
    pub told: bool,
    /// The last word of the region's leader.
    pub word: Option<RegionWord>,
    /// How its hosts stand; as they stood at the end, once a newer release took over.
    pub counts: Counts,
}

/// How a region's hosts stand towards a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Hosts that have said anything of the service.
    pub hosts: u64,
    /// Of those, hosts that hold every byte of the release.
    pub staged: u64,
    /// Hosts that run the release.
    pub activated: u64,
    /// Hosts on which the release answers its health check.
    pub healthy: u64,
    /// Hosts on which the release is in ERROR, or that are LOST.
    pub errors: u64,
    /// The artifact's length, summed over the hosts that know it.
    pub total_bytes: u64,
    /// Verified bytes that came from the replication manager.
    pub seed_bytes: u64,
    /// Verified bytes that came from other hosts.
    pub peer_bytes: u64,
    /// Verified bytes that came from the region's store directly.
    pub store_bytes: u64,
    /// Verified bytes that were on the disk already.
    pub local_bytes: u64,
    /// Bytes that were thrown away.
    pub wasted_bytes: u64,
    /// The slowest host's time from the first wish to the last verified byte.
    pub elapsed_ms_max: u64,
}

impl Counts {
    /// All verified bytes.
    pub const fn verified_bytes(&self) -> u64 {
        self.seed_bytes + self.peer_bytes + self.store_bytes + self.local_bytes
    }
}

/// The columns of [`Counts`] over the rows of `instances` of one service, for the release `$2`.
macro_rules! counts {
    () => {
        "count(*) AS hosts,
         count(*) FILTER (WHERE desired_release = $2 AND staged_at IS NOT NULL
                                AND state NOT IN ('PENDING', 'FETCHING')) AS staged,
         count(*) FILTER (WHERE active_release = $2) AS activated,
         count(*) FILTER (WHERE desired_release = $2 AND state = 'HEALTHY') AS healthy,
         count(*) FILTER (WHERE desired_release = $2 AND state IN ('ERROR', 'LOST')) AS errors,
         coalesce(sum(total_bytes) FILTER (WHERE desired_release = $2), 0) AS total_bytes,
         coalesce(sum(seed_bytes) FILTER (WHERE desired_release = $2), 0) AS seed_bytes,
         coalesce(sum(peer_bytes) FILTER (WHERE desired_release = $2), 0) AS peer_bytes,
         coalesce(sum(store_bytes) FILTER (WHERE desired_release = $2), 0) AS store_bytes,
         coalesce(sum(local_bytes) FILTER (WHERE desired_release = $2), 0) AS local_bytes,
         coalesce(sum(wasted_bytes) FILTER (WHERE desired_release = $2), 0) AS wasted_bytes,
         coalesce(max(elapsed_ms) FILTER (WHERE desired_release = $2), 0) AS elapsed_ms_max"
    };
}

impl FromRow<'_, PgRow> for RegionProgress {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let Json(counts) = row.try_get("counts")?;
        let told: Option<bool> = row.try_get("told")?;
        Ok(Self {
            region: row::word(row, "region")?,
            replica: row::word_option(row, "replica")?,
            cursor: cursor_of(row)?,
            told: told.unwrap_or(false),
            word: word_of(row)?,
            counts,
        })
    }
}

impl Builds {
    /// A deployment's progress in every region, by region.
    ///
    /// Fails with [`Error::UnknownDeployment`].
    pub async fn region_status(&self, id: DeploymentId) -> Result<Vec<RegionProgress>, Error> {
        let (service, release): (String, i64) =
            sqlx::query_as("SELECT service, release FROM deployments WHERE id = $1")
                .bind(id.0)
                .fetch_optional(&self.pool)
                .await?
                .ok_or(Error::UnknownDeployment(id))?;
        let status = sqlx::query_as(concat!(
            "SELECT regions.name AS region, replicas.state AS replica, outbox.cursor_order, outbox.cursor_hosts,
                    outbox.delivered_epoch >= outbox.epoch AS told, ",
            word_columns!(),
            ", coalesce(deployment_regions.final_counts, to_jsonb(counts)) AS counts
             FROM regions
             JOIN deployments ON deployments.id = $3
             LEFT JOIN replicas ON replicas.artifact = deployments.artifact
                               AND replicas.region = regions.name
             LEFT JOIN outbox ON outbox.deployment = deployments.id AND outbox.region = regions.name
             LEFT JOIN region_reports ON region_reports.region = regions.name
             LEFT JOIN deployment_regions ON deployment_regions.deployment = deployments.id
                                         AND deployment_regions.region = regions.name
             CROSS JOIN LATERAL (SELECT ",
            counts!(),
            " FROM instances WHERE service = $1 AND region = regions.name) AS counts
             ORDER BY regions.name LIMIT $4"
        ))
        .bind(service)
        .bind(release)
        .bind(id.0)
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(status)
    }
}

/// Keeps how the hosts stood towards the release that the service's next one is about to replace.
pub(super) async fn keep_final_counts(
    connection: &mut PgConnection,
    service: &ServiceName,
) -> Result<(), Error> {
    let release: Option<i64> = sqlx::query_scalar(
        "SELECT max(release) FROM deployments WHERE service = $1 AND started_at IS NOT NULL",
    )
    .bind(service.as_str())
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query(concat!(
        "INSERT INTO deployment_regions (deployment, region, final_counts)
         SELECT deployments.id, counts.region, to_jsonb(counts) - 'region'
         FROM deployments
         CROSS JOIN (SELECT region, ",
        counts!(),
        " FROM instances WHERE service = $1 GROUP BY region) AS counts
         WHERE deployments.service = $1 AND deployments.release = $2
         ON CONFLICT (deployment, region) DO UPDATE SET final_counts = excluded.final_counts"
    ))
    .bind(service.as_str())
    .bind(release)
    .execute(connection)
    .await?;
    Ok(())
}
