//! Looking at the inventory.

use super::super::Builds;
use super::label_terms::{LabelTerms, label_terms};
use crate::{Error, PAGE_ROWS_MAX, row};
use jiff::Timestamp;
use model::inventory::InstanceKind;
use model::labels::{Placed, Selector};
use model::{
    Actor, HostName, InstanceHealth, InstanceId, InstanceName, RegionName, ReleaseNumber, ReportedVersion,
    ServiceName, TaskState, ZoneName,
};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row};
use std::time::Duration;
use uuid::Uuid;

/// Of an instance that was not heard of for so long it is not known how it is.
const SILENT_AFTER: Duration = Duration::from_secs(90);

/// One instance, and how it is.
#[derive(Debug, Clone, PartialEq)]
pub struct InventoryRow {
    /// What it is called whatever its name.
    pub id: InstanceId,
    /// Its name, which another may get once it has retired.
    pub name: InstanceName,
    /// Who speaks for it.
    pub kind: InstanceKind,
    /// In which region.
    pub region: RegionName,
    /// In which zone, if it is known.
    pub zone: Option<ZoneName>,
    /// On which host, where an agent speaks.
    pub host: Option<HostName>,
    /// The address that a program gave.
    pub address: Option<String>,
    /// Its labels and where it stands.
    pub labels: Placed,
    /// How it is, by the database's clock: unknown when it was not heard of for long.
    pub status: InstanceHealth,
    /// The code that a program says it runs.
    pub code_version: Option<ReportedVersion>,
    /// The configuration that a program says it has.
    pub configuration_version: Option<ReportedVersion>,
    /// What a host runs.
    pub services: Vec<RunningService>,
    /// The time since it was heard of, by the database's clock; never, where none.
    pub silent_for: Option<Duration>,
    /// When it came in.
    pub registered_at: Timestamp,
    /// When it was taken out.
    pub retired_at: Option<Timestamp>,
    /// By whom.
    pub retired_by: Option<Actor>,
    /// Why.
    pub retired_reason: Option<String>,
}

/// One service on a host with an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningService {
    /// Which service.
    pub service: ServiceName,
    /// The release whose process runs, if any.
    pub release: Option<ReleaseNumber>,
    /// How far the release that it should have has come.
    pub state: TaskState,
}

/// Which instances are wanted.
#[derive(Debug, Clone, Default)]
pub struct InventoryFilter {
    /// Only those whose labels match.
    pub labels: Selector,
    /// Only those that are so.
    pub status: Option<InstanceHealth>,
    /// Those that have retired, instead of those that have not.
    pub retired: bool,
}

/// Where a page ended. The order is by name and never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryPosition {
    /// The last instance's name.
    pub name: InstanceName,
    /// Its identifier.
    pub id: InstanceId,
}

impl FromRow<'_, PgRow> for InventoryRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let Json(labels) = row.try_get("labels")?;
        let services: Option<Json<Vec<RunningService>>> = row.try_get("services")?;
        let silent: Option<f64> = row.try_get("silent_seconds")?;
        let status: i32 = row.try_get("status")?;
        let status = usize::try_from(status)
            .ok()
            .and_then(|place| InstanceHealth::ALL.get(place));
        Ok(Self {
            id: InstanceId(row.try_get("id")?),
            name: row::word(row, "name")?,
            kind: row::word(row, "kind")?,
            region: row::word(row, "region")?,
            zone: row::word_option(row, "zone")?,
            host: row::word_option(row, "host")?,
            address: row.try_get("address")?,
            labels,
            status: status.copied().unwrap_or(InstanceHealth::Unknown),
            code_version: row::word_option(row, "code_version")?,
            configuration_version: row::word_option(row, "configuration_version")?,
            services: services.map(|Json(services)| services).unwrap_or_default(),
            silent_for: silent.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()),
            registered_at: row::time(row, "registered_at")?,
            retired_at: row::time_option(row, "retired_at")?,
            retired_by: row::word_option(row, "retired_by")?,
            retired_reason: row.try_get("retired_reason")?,
        })
    }
}

/// Instances as rows of [`InventoryRow`]; `$1` is after how many seconds silence makes a status unknown. A host is as
/// the worst service is that it was told to run or can't get; one that only fetches is well as long as its agent is.
macro_rules! inventory_rows {
    () => {
        "SELECT * FROM (
             SELECT inventory.*, beats.code_version, beats.configuration_version, running.services,
                    extract(epoch FROM clock_timestamp() - heard.at)::float8 AS silent_seconds,
                    CASE WHEN heard.at IS NULL OR NOT inventory.alive OR inventory.retired_at IS NOT NULL
                           OR heard.at < clock_timestamp() - make_interval(secs => $1) THEN 0
                         WHEN inventory.kind = 'AGENT' THEN coalesce(running.status, 1)
                         ELSE beats.status END AS status
             FROM inventory
             LEFT JOIN inventory_heartbeats AS beats ON beats.instance = inventory.id
             LEFT JOIN region_reports ON region_reports.region = inventory.region AND inventory.kind = 'AGENT'
             CROSS JOIN LATERAL (
                 SELECT CASE WHEN inventory.kind = 'EXTERNAL' THEN beats.heard_at
                             WHEN inventory.alive THEN region_reports.reported_at
                             ELSE inventory.changed_at END AS at) AS heard
             LEFT JOIN LATERAL (
                 SELECT jsonb_agg(jsonb_build_object('service', instances.service, 'state', instances.state,
                                                     'release', instances.running_release)
                                  ORDER BY instances.service) AS services,
                        -- HEALTHY, UNKNOWN, DEGRADED, FAILED: of several the last counts.
                        (ARRAY[1, 0, 2, 3])[max(array_position(
                            ARRAY['HEALTHY', 'UNKNOWN', 'DEGRADED', 'FAILED'], instances.health))
                            FILTER (WHERE instances.active_release IS NOT NULL OR instances.state = 'ERROR')] AS status
                 FROM instances
                 WHERE instances.region = inventory.region AND instances.host = inventory.host) AS running ON true
         ) AS seen "
    };
}

impl Builds {
    /// Instances by name, at most `limit` and at most [`PAGE_ROWS_MAX`]; only those after `after`, where it is given.
    pub async fn list_inventory(
        &self,
        filter: &InventoryFilter,
        after: Option<&InventoryPosition>,
        limit: u32,
    ) -> Result<Vec<InventoryRow>, Error> {
        let Some(terms) = LabelTerms::of(&filter.labels) else {
            return Ok(Vec::new());
        };
        let rows = sqlx::query_as(concat!(
            inventory_rows!(),
            "WHERE ",
            label_terms!(),
            " AND (retired_at IS NOT NULL) = $6 AND ($7::integer IS NULL OR status = $7)
              AND (name, id) > ($8, $9)
             ORDER BY name, id LIMIT $10"
        ))
        .bind(SILENT_AFTER.as_secs_f64())
        .bind(Json(terms.is))
        .bind(&terms.has)
        .bind(&terms.has_not)
        .bind(terms.is_not)
        .bind(filter.retired)
        .bind(
            filter
                .status
                .map(|status| i32::from(super::heartbeats::number(status))),
        )
        .bind(after.map_or("", |position| position.name.as_str()))
        .bind(after.map_or(Uuid::nil(), |position| position.id.0))
        .bind(row::limit(limit, PAGE_ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// The instance that has this name now, or this identifier.
    pub async fn inventory_instance(&self, name_or_id: &str) -> Result<Option<InventoryRow>, Error> {
        let found = sqlx::query_as(concat!(
            inventory_rows!(),
            "WHERE (name = $2 AND retired_at IS NULL) OR id = $3"
        ))
        .bind(SILENT_AFTER.as_secs_f64())
        .bind(name_or_id)
        .bind(Uuid::parse_str(name_or_id).ok())
        .fetch_optional(&self.pool)
        .await?;
        Ok(found)
    }
}
