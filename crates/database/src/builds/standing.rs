//! How the regions stand towards a deployment in flight, counted as its policy asks.

use super::{
    Builds, DeploymentRow,
    cursors::cursor_of,
    regions::{RegionWord, word_columns, word_of},
};
use crate::{Error, ROWS_MAX, row};
use model::region_report::ServiceWord;
use model::{Cursor, RegionName, ZoneName};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row};
use std::collections::BTreeMap;

/// One region's hosts, counted for one deployment. What each number means, `rollout::Region` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which region.
    pub region: RegionName,
    /// Whether its etcd holds what it should be told last.
    pub told: bool,
    /// The last word of its leader.
    pub word: Option<RegionWord>,
    /// How many hosts should have their turn.
    pub cursor: Cursor,
    /// Whether the others should keep the release warm.
    pub warms: bool,
    /// Whether its leader has counted the hosts since it knows of the deployment.
    pub counted: bool,
    /// Hosts that the release is for, by zone: those alive, and those lost that have it.
    pub zones: BTreeMap<ZoneName, u64>,
    /// Hosts that hold every byte.
    pub staged: u64,
    /// Hosts that took the order to run it.
    pub activated: u64,
    /// Those that run it and are healthy for long enough.
    pub settled: u64,
    /// Those of them with enough good answers.
    pub observed: u64,
    /// Those that failed by its doing.
    pub failed: u64,
    /// Those that fail as they did before.
    pub excused: u64,
    /// Those not heard of.
    pub unknown: u64,
    /// Hosts that keep it warm and whose turn has not come: ready for long enough.
    pub warm: u64,
    /// Those of them with enough good answers.
    pub warm_observed: u64,
    /// Those that failed by its doing.
    pub warm_failed: u64,
    /// Those that fail as they did before.
    pub warm_excused: u64,
    /// What one that failed says.
    pub error: Option<String>,
}

impl FromRow<'_, PgRow> for Standing {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let (alive, lost): (Option<Json<_>>, Option<Json<_>>) = (row.try_get("alive")?, row.try_get("lost")?);
        let counted = alive.is_some();
        let mut zones: BTreeMap<ZoneName, u64> = alive.map(|Json(alive)| alive).unwrap_or_default();
        let lost: BTreeMap<ZoneName, u64> = lost.map(|Json(lost)| lost).unwrap_or_default();
        for (zone, hosts) in lost {
            *zones.entry(zone).or_default() += hosts;
        }
        let told: Option<bool> = row.try_get("told")?;
        let warms: Option<bool> = row.try_get("warms")?;
        Ok(Self {
            region: row::word(row, "region")?,
            told: told.unwrap_or(false),
            word: word_of(row)?,
            cursor: cursor_of(row)?.unwrap_or(Cursor::NOBODY),
            warms: warms.unwrap_or(false),
            counted,
            zones,
            staged: row::size(row, "staged")?,
            activated: row::size(row, "activated")?,
            settled: row::size(row, "settled")?,
            observed: row::size(row, "observed")?,
            failed: row::size(row, "failed")?,
            excused: row::size(row, "excused")?,
            unknown: row::size(row, "unknown")?,
            warm: row::size(row, "warm")?,
            warm_observed: row::size(row, "warm_observed")?,
            warm_failed: row::size(row, "warm_failed")?,
            warm_excused: row::size(row, "warm_excused")?,
            error: row.try_get("error")?,
        })
    }
}

/// Each host that was told to run the release `$2`, or to keep it warm until its turn, is in one class. Times are in seconds: a host must have been healthy
/// for `$4`, fails when it is unwell for `$6`, and when it is not heard of for `$7`.
const CLASSES: &str = "
    SELECT region, zone, host, reason, state, observations, healthy_at, warm_at,
           active_release IS NOT DISTINCT FROM $2 AS has_turn,
           desired_release = $2 AND staged_at IS NOT NULL AND state NOT IN ('PENDING', 'FETCHING', 'LOST') AS staged,
           CASE WHEN active_release IS DISTINCT FROM $2 AND warm_release IS DISTINCT FROM $2 THEN 'OTHER'
                WHEN state = 'HEALTHY' AND running_release = $2 THEN 'HEALTHY'
                WHEN state = 'WARM' THEN 'WARM'
                WHEN state = 'LOST' AND failed_at IS NULL THEN
                     CASE WHEN unwell_since <= now() - make_interval(secs => $7) THEN 'FAILED' ELSE 'UNKNOWN' END
                WHEN failed_at IS NOT NULL OR unwell_since <= now() - make_interval(secs => $6) THEN
                     CASE WHEN was_healthy THEN 'FAILED' ELSE 'EXCUSED' END
                ELSE 'STARTING' END AS class
    FROM instances WHERE service = $1";

impl Builds {
    /// How every region stands towards a deployment, by region. `min_observations` is what the wave that it is in asks
    /// of each host.
    pub async fn standings(
        &self,
        deployment: &DeploymentRow,
        min_observations: u32,
    ) -> Result<Vec<Standing>, Error> {
        let policy = &deployment.policy;
        let query = format!(
            "WITH classes AS ({CLASSES}), counts AS (
                 SELECT region,
                        count(*) FILTER (WHERE staged) AS staged,
                        count(*) FILTER (WHERE has_turn) AS activated,
                        count(*) FILTER (WHERE class = 'HEALTHY'
                                         AND healthy_at <= now() - make_interval(secs => $4)) AS settled,
                        count(*) FILTER (WHERE class = 'HEALTHY' AND observations >= $5
                                         AND healthy_at <= now() - make_interval(secs => $4)) AS observed,
                        count(*) FILTER (WHERE class = 'FAILED' AND has_turn) AS failed,
                        count(*) FILTER (WHERE class = 'EXCUSED' AND has_turn) AS excused,
                        count(*) FILTER (WHERE class = 'WARM'
                                         AND warm_at <= now() - make_interval(secs => $4)) AS warm,
                        count(*) FILTER (WHERE class = 'WARM' AND observations >= $5
                                         AND warm_at <= now() - make_interval(secs => $4)) AS warm_observed,
                        count(*) FILTER (WHERE class = 'FAILED' AND NOT has_turn) AS warm_failed,
                        count(*) FILTER (WHERE class = 'EXCUSED' AND NOT has_turn) AS warm_excused,
                        count(*) FILTER (WHERE class = 'UNKNOWN') AS unknown,
                        coalesce(min(host || ': ' || reason) FILTER (WHERE class = 'FAILED'),
                                 min(host || ': ' || reason) FILTER (WHERE state = 'ERROR')) AS error
                 FROM classes GROUP BY region
             ), lost AS (
                 SELECT region, jsonb_object_agg(zone, hosts) AS hosts
                 FROM (SELECT region, zone, count(*) AS hosts FROM classes
                       WHERE state = 'LOST' AND class <> 'OTHER' GROUP BY region, zone) AS zones
                 GROUP BY region
             )
             SELECT regions.name AS region, outbox.cursor_order, outbox.cursor_hosts, outbox.warm AS warms,
                    outbox.delivered_epoch >= outbox.epoch AS told, {},
                    CASE WHEN service_words.epoch >= deployments.epoch THEN service_words.hosts END AS alive,
                    lost.hosts AS lost, counts.error,
                    coalesce(staged, 0) AS staged, coalesce(activated, 0) AS activated,
                    coalesce(settled, 0) AS settled,
                    coalesce(observed, 0) AS observed, coalesce(failed, 0) AS failed,
                    coalesce(excused, 0) AS excused, coalesce(unknown, 0) AS unknown,
                    coalesce(counts.warm, 0) AS warm, coalesce(warm_observed, 0) AS warm_observed,
                    coalesce(warm_failed, 0) AS warm_failed, coalesce(warm_excused, 0) AS warm_excused
             FROM regions
             JOIN deployments ON deployments.id = $3
             LEFT JOIN outbox ON outbox.deployment = deployments.id AND outbox.region = regions.name
             LEFT JOIN region_reports ON region_reports.region = regions.name
             LEFT JOIN service_words ON service_words.service = deployments.service
                                    AND service_words.region = regions.name
             LEFT JOIN counts ON counts.region = regions.name
             LEFT JOIN lost ON lost.region = regions.name
             ORDER BY regions.name LIMIT $8",
            word_columns!()
        );
        let standings = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(deployment.service.as_str())
            .bind(deployment.release.0)
            .bind(deployment.id.0)
            .bind(f64::from(policy.min_healthy_seconds))
            .bind(i32::try_from(min_observations).unwrap_or(i32::MAX))
            // A host that first gives the release a share has it whole so much later.
            .bind(
                f64::from(policy.healthy_deadline_seconds)
                    + f64::from(deployment.spec.cutover.split_seconds()),
            )
            .bind(f64::from(policy.unknown_deadline_seconds))
            .bind(i64::from(ROWS_MAX))
            .fetch_all(&self.pool)
            .await?;
        Ok(standings)
    }
}

/// Keeps what a region's leader says of services that are known here.
pub(super) async fn take_words(
    connection: &mut PgConnection,
    region: &RegionName,
    words: &[ServiceWord],
) -> Result<(), Error> {
    if words.is_empty() {
        return Ok(());
    }
    // Sorted, so that rows are locked in one order; the last word wins.
    let words: BTreeMap<_, _> = words.iter().map(|word| (&word.service, word)).collect();
    sqlx::query(
        "INSERT INTO service_words AS known (service, region, epoch, hosts, admitted)
         SELECT said.service, $1, said.epoch, said.hosts, said.admitted
         FROM jsonb_to_recordset($2) AS said (service text, epoch bigint, hosts jsonb, admitted bigint)
         JOIN services ON services.name = said.service
         ON CONFLICT (service, region) DO UPDATE
         SET epoch = excluded.epoch, hosts = excluded.hosts, admitted = excluded.admitted, said_at = now()
         WHERE known.epoch <= excluded.epoch",
    )
    .bind(region.as_str())
    .bind(Json(words.into_values().collect::<Vec<_>>()))
    .execute(connection)
    .await?;
    Ok(())
}
