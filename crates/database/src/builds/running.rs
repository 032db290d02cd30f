//! Which releases of a service the hosts of each region run, and what these were made of.

use super::Builds;
use crate::{Error, ROWS_MAX, row};
use model::{Commit, Configuration, RegionName, ReleaseNumber, RepositoryName, ServiceName, ServiceSpec};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row};

/// One release that runs in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningRelease {
    /// In which region.
    pub region: RegionName,
    /// Which release.
    pub release: ReleaseNumber,
    /// On how many hosts.
    pub hosts: u64,
    /// From which repository.
    pub repository: RepositoryName,
    /// From which commit.
    pub commit: Commit,
    /// How it runs.
    pub spec: ServiceSpec,
    /// With which configuration.
    pub configuration: Configuration,
}

impl FromRow<'_, PgRow> for RunningRelease {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let (Json(spec), Json(configuration)) = (row.try_get("spec")?, row.try_get("configuration")?);
        Ok(Self {
            region: row::word(row, "region")?,
            release: ReleaseNumber(row.try_get("running_release")?),
            hosts: row::size(row, "hosts")?,
            repository: row::word(row, "repository")?,
            commit: row::word(row, "commit_id")?,
            spec,
            configuration,
        })
    }
}

impl Builds {
    /// What runs of a service now, by region, the release of most hosts first; at most [`ROWS_MAX`].
    pub async fn running_releases(&self, service: &ServiceName) -> Result<Vec<RunningRelease>, Error> {
        let rows = sqlx::query_as(
            "SELECT running.region, running.running_release, running.hosts,
                    deployments.spec, deployments.configuration, artifacts.repository, artifacts.commit_id
             FROM (SELECT region, running_release, count(*) AS hosts FROM instances
                   WHERE service = $1 AND running_release IS NOT NULL AND state <> 'LOST'
                   GROUP BY region, running_release) AS running
             JOIN deployments ON deployments.service = $1 AND deployments.release = running.running_release
             JOIN artifacts ON artifacts.id = deployments.artifact
             ORDER BY running.region, running.hosts DESC, running.running_release LIMIT $2",
        )
        .bind(service.as_str())
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }
}
