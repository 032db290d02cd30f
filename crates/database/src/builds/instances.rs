//! What hosts say of services.

use super::Builds;
use crate::{Error, ROWS_MAX, row};
use jiff::Timestamp;
use model::instance::Transfer;
use model::{Epoch, HostName, Instance, RegionName, ReleaseNumber, ServiceName, ZoneName};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// A host's newest word on one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// In which region.
    pub region: RegionName,
    /// Which host.
    pub host: HostName,
    /// In which zone.
    pub zone: ZoneName,
    /// What it said.
    pub instance: Instance,
    /// When the desired release was first whole on the host.
    pub staged_at: Option<Timestamp>,
    /// When the desired release was first healthy on the host.
    pub healthy_at: Option<Timestamp>,
    /// When it last said something new.
    pub changed_at: Timestamp,
}

impl FromRow<'_, PgRow> for InstanceRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let running: Option<i64> = row.try_get("running_release")?;
        let active: Option<i64> = row.try_get("active_release")?;
        let warm: Option<i64> = row.try_get("warm_release")?;
        let observations: i32 = row.try_get("observations")?;
        let port: Option<i32> = row.try_get("port")?;
        Ok(Self {
            region: row::word(row, "region")?,
            host: row::word(row, "host")?,
            zone: row::word(row, "zone")?,
            instance: Instance {
                service: row::word(row, "service")?,
                epoch: Epoch(row.try_get("epoch")?),
                desired_release: ReleaseNumber(row.try_get("desired_release")?),
                running_release: running.map(ReleaseNumber),
                active_release: active.map(ReleaseNumber),
                warm_release: warm.map(ReleaseNumber),
                state: row::word(row, "state")?,
                health: row::word(row, "health")?,
                observations: u32::try_from(observations).unwrap_or(0),
                port: port.and_then(|port| u16::try_from(port).ok()),
                transfer: transfer(row)?,
                reason: row.try_get("reason")?,
            },
            staged_at: row::time_option(row, "staged_at")?,
            healthy_at: row::time_option(row, "healthy_at")?,
            changed_at: row::time(row, "changed_at")?,
        })
    }
}

fn transfer(row: &PgRow) -> sqlx::Result<Transfer> {
    Ok(Transfer {
        total_bytes: row::size(row, "total_bytes")?,
        seed_bytes: row::size(row, "seed_bytes")?,
        peer_bytes: row::size(row, "peer_bytes")?,
        store_bytes: row::size(row, "store_bytes")?,
        local_bytes: row::size(row, "local_bytes")?,
        wasted_bytes: row::size(row, "wasted_bytes")?,
        elapsed_ms: row::size(row, "elapsed_ms")?,
    })
}

impl Builds {
    /// A service's instances by region and host, at most [`ROWS_MAX`]; those after `after` where it is
    /// given.
    pub async fn instances(
        &self,
        service: &ServiceName,
        after: Option<(&RegionName, &HostName)>,
        limit: u32,
    ) -> Result<Vec<InstanceRow>, Error> {
        let (region, host) = after.map_or(("", ""), |(region, host)| (region.as_str(), host.as_str()));
        let instances = sqlx::query_as(
            "SELECT * FROM instances WHERE service = $1 AND (region, host) > ($2, $3)
             ORDER BY region, host LIMIT $4",
        )
        .bind(service.as_str())
        .bind(region)
        .bind(host)
        .bind(row::limit(limit, ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(instances)
    }

    /// The regions in which a host of this name has spoken of a service, at most [`ROWS_MAX`].
    pub async fn regions_of(&self, service: &ServiceName, host: &HostName) -> Result<Vec<RegionName>, Error> {
        let rows = sqlx::query(
            "SELECT region FROM instances WHERE service = $1 AND host = $2 ORDER BY region LIMIT $3",
        )
        .bind(service.as_str())
        .bind(host.as_str())
        .bind(row::limit(ROWS_MAX, ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        let regions = rows.iter().map(|row| row::word(row, "region"));
        Ok(regions.collect::<sqlx::Result<_>>()?)
    }
}
