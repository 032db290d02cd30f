//! Taking in what a region's leader reports.

use super::{Builds, distributions, inventory, standing};
use crate::{Error, Hint, hints, row};
use model::distribution::DISTRIBUTIONS_MAX;
use model::host::SERVICES_MAX;
use model::region_report::{HostInstance, REPORT_HOSTS_MAX, REPORT_INSTANCES_MAX, RegionReport};
use model::{DeploymentId, HostName, ServiceName};
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use std::collections::BTreeMap;

/// One instance as the columns of `instances`.
#[derive(Serialize)]
struct Columns<'a> {
    service: &'a str,
    host: &'a str,
    zone: &'a str,
    epoch: i64,
    desired_release: i64,
    running_release: Option<i64>,
    active_release: Option<i64>,
    warm_release: Option<i64>,
    state: &'static str,
    health: &'static str,
    observations: u32,
    port: Option<u16>,
    total_bytes: i64,
    seed_bytes: i64,
    peer_bytes: i64,
    store_bytes: i64,
    local_bytes: i64,
    wasted_bytes: i64,
    elapsed_ms: i64,
    reason: Option<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(said: &'a HostInstance) -> Self {
        let instance = &said.instance;
        let transfer = &instance.transfer;
        Self {
            service: instance.service.as_str(),
            host: said.host.as_str(),
            zone: said.zone.as_str(),
            epoch: instance.epoch.0,
            desired_release: instance.desired_release.0,
            running_release: instance.running_release.map(|release| release.0),
            active_release: instance.active_release.map(|release| release.0),
            warm_release: instance.warm_release.map(|release| release.0),
            state: instance.state.as_str(),
            health: instance.health.as_str(),
            observations: instance.observations,
            port: instance.port,
            total_bytes: row::signed(transfer.total_bytes),
            seed_bytes: row::signed(transfer.seed_bytes),
            peer_bytes: row::signed(transfer.peer_bytes),
            store_bytes: row::signed(transfer.store_bytes),
            local_bytes: row::signed(transfer.local_bytes),
            wasted_bytes: row::signed(transfer.wasted_bytes),
            elapsed_ms: row::signed(transfer.elapsed_ms),
            reason: instance.reason.as_deref(),
        }
    }
}

/// Stores what hosts said, where it is news; notes when a release was first and last staged and healthy;
/// returns the deployments that it is about.
const FOLD: &str = "
    WITH said AS (
        SELECT said.* FROM jsonb_to_recordset($2) AS said (
            service text, host text, zone text, epoch bigint, desired_release bigint,
            running_release bigint, active_release bigint, warm_release bigint, state text, health text,
            observations integer, port integer, total_bytes bigint, seed_bytes bigint,
            peer_bytes bigint, store_bytes bigint, local_bytes bigint, wasted_bytes bigint,
            elapsed_ms bigint, reason text)
        JOIN services ON services.name = said.service
    ), news AS (
        INSERT INTO instances AS known (
            service, region, host, zone, epoch, desired_release, running_release, active_release, warm_release,
            state, health, observations, port, total_bytes, seed_bytes, peer_bytes, store_bytes, local_bytes,
            wasted_bytes, elapsed_ms, reason, unwell_since, failed_at, staged_at, warm_at, healthy_at)
        SELECT service, $1, host, zone, epoch, desired_release, running_release, active_release, warm_release,
               state, health, observations, port, total_bytes, seed_bytes, peer_bytes, store_bytes, local_bytes,
               wasted_bytes, elapsed_ms, reason,
               CASE WHEN state NOT IN ('WARM', 'HEALTHY') THEN now() END,
               CASE WHEN state = 'ERROR' AND desired_release IN (active_release, warm_release) THEN now() END,
               CASE WHEN state IN ('STAGED', 'STARTING', 'RUNNING', 'WARM', 'HEALTHY') THEN now() END,
               CASE WHEN state = 'WARM' THEN now() END,
               CASE WHEN state = 'HEALTHY' THEN now() END
        FROM said
        ON CONFLICT (service, region, host) DO UPDATE SET
            zone = excluded.zone, epoch = excluded.epoch, desired_release = excluded.desired_release,
            running_release = excluded.running_release, active_release = excluded.active_release,
            warm_release = excluded.warm_release, state = excluded.state, health = excluded.health,
            observations = excluded.observations, port = excluded.port,
            total_bytes = excluded.total_bytes, seed_bytes = excluded.seed_bytes,
            peer_bytes = excluded.peer_bytes, store_bytes = excluded.store_bytes,
            local_bytes = excluded.local_bytes, wasted_bytes = excluded.wasted_bytes,
            elapsed_ms = excluded.elapsed_ms, reason = excluded.reason, changed_at = now(),
            was_healthy = CASE WHEN (known.active_release, known.warm_release)
                                    IS DISTINCT FROM (excluded.active_release, excluded.warm_release)
                          THEN known.active_release IS NULL OR known.health = 'HEALTHY'
                          ELSE known.was_healthy END,
            unwell_since = CASE WHEN excluded.state IN ('WARM', 'HEALTHY') THEN NULL
                           WHEN (known.active_release, known.warm_release)
                                IS DISTINCT FROM (excluded.active_release, excluded.warm_release) THEN now()
                           ELSE coalesce(known.unwell_since, now()) END,
            failed_at = CASE WHEN excluded.state IN ('WARM', 'HEALTHY') THEN NULL
                        WHEN (known.active_release, known.warm_release)
                             IS DISTINCT FROM (excluded.active_release, excluded.warm_release)
                        THEN excluded.failed_at
                        ELSE coalesce(known.failed_at, excluded.failed_at) END,
            staged_at = CASE WHEN known.desired_release = excluded.desired_release
                        THEN coalesce(known.staged_at, excluded.staged_at) ELSE excluded.staged_at END,
            warm_at = CASE WHEN known.desired_release = excluded.desired_release
                      THEN coalesce(known.warm_at, excluded.warm_at) ELSE excluded.warm_at END,
            healthy_at = CASE WHEN known.desired_release = excluded.desired_release
                         THEN coalesce(known.healthy_at, excluded.healthy_at) ELSE excluded.healthy_at END
        WHERE known.epoch <= excluded.epoch
          AND (known.zone, known.epoch, known.desired_release, known.running_release, known.active_release,
               known.warm_release, known.state, known.health, known.observations, known.port,
               known.total_bytes, known.seed_bytes, known.peer_bytes, known.store_bytes,
               known.local_bytes, known.wasted_bytes, known.elapsed_ms, known.reason)
              IS DISTINCT FROM
              (excluded.zone, excluded.epoch, excluded.desired_release, excluded.running_release,
               excluded.active_release, excluded.warm_release, excluded.state, excluded.health,
               excluded.observations, excluded.port, excluded.total_bytes, excluded.seed_bytes,
               excluded.peer_bytes, excluded.store_bytes, excluded.local_bytes, excluded.wasted_bytes,
               excluded.elapsed_ms, excluded.reason)
        RETURNING service, desired_release, staged_at = now() AS staged, healthy_at = now() AS healthy
    ), touched AS (
        SELECT deployments.id, bool_or(news.staged) AS staged, bool_or(news.healthy) AS healthy
        FROM news
        JOIN deployments ON deployments.service = news.service
                        AND deployments.release = news.desired_release
        GROUP BY deployments.id
    ), noted AS (
        INSERT INTO deployment_regions AS known (
            deployment, region, first_staged_at, last_staged_at, first_healthy_at, last_healthy_at)
        SELECT id, $1, CASE WHEN staged THEN now() END, CASE WHEN staged THEN now() END,
               CASE WHEN healthy THEN now() END, CASE WHEN healthy THEN now() END
        FROM touched WHERE staged OR healthy
        ON CONFLICT (deployment, region) DO UPDATE SET
            first_staged_at = coalesce(known.first_staged_at, excluded.first_staged_at),
            last_staged_at = coalesce(excluded.last_staged_at, known.last_staged_at),
            first_healthy_at = coalesce(known.first_healthy_at, excluded.first_healthy_at),
            last_healthy_at = coalesce(excluded.last_healthy_at, known.last_healthy_at)
    )
    SELECT id FROM touched";

impl Builds {
    /// Takes in a report. Applying it twice changes nothing more. What a host said under a smaller epoch
    /// than it has said before is old news, and left out; so is a service that is not known here.
    ///
    /// Fails with [`Error::StaleTerm`] when a newer leader has spoken, [`Error::UnknownRegion`], and
    /// [`Error::TooLarge`] above [`REPORT_INSTANCES_MAX`] or [`DISTRIBUTIONS_MAX`].
    pub async fn apply_region_report(&self, report: &RegionReport) -> Result<(), Error> {
        check_length(
            "the number of instances in a report",
            report.instances.len(),
            REPORT_INSTANCES_MAX,
        )?;
        check_length(
            "the number of hosts in a report",
            report.hosts.len(),
            REPORT_HOSTS_MAX,
        )?;
        check_length(
            "the number of distributions in a report",
            report.distributions.len(),
            DISTRIBUTIONS_MAX,
        )?;
        let mut transaction = self.pool.begin().await?;
        take_word(&mut transaction, report).await?;
        check_length(
            "the number of services in a report",
            report.services.len(),
            SERVICES_MAX,
        )?;
        standing::take_words(&mut transaction, &report.region, &report.services).await?;
        inventory::take_in(&mut transaction, &report.region, &report.hosts).await?;
        for distribution in &report.distributions {
            distributions::take_in(&mut transaction, &report.region, distribution).await?;
        }
        // Sorted, so that two reports lock rows in one order; the last word wins.
        let instances: BTreeMap<(&ServiceName, &HostName), Columns<'_>> = report
            .instances
            .iter()
            .map(|said| ((&said.instance.service, &said.host), Columns::of(said)))
            .collect();
        let columns: Vec<&Columns<'_>> = instances.values().collect();
        let deployments: Vec<uuid::Uuid> = sqlx::query_scalar(FOLD)
            .bind(report.region.as_str())
            .bind(Json(columns))
            .fetch_all(&mut *transaction)
            .await?;
        for deployment in deployments {
            hints::send(&mut transaction, Hint::Deployment(DeploymentId(deployment))).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

fn check_length(what: &'static str, actual: usize, limit: usize) -> Result<(), Error> {
    if actual > limit {
        return Err(Error::TooLarge { what, actual, limit });
    }
    Ok(())
}

/// Stores the leader's word on itself, unless a newer leader has spoken. Holds the region's row, so
/// reports of one region are taken in one after the other.
async fn take_word(connection: &mut PgConnection, report: &RegionReport) -> Result<(), Error> {
    let taken = sqlx::query(
        "INSERT INTO region_reports AS known (region, term, hosts_alive, store_bytes_read)
         SELECT name, $2, $3, $4 FROM regions WHERE name = $1
         ON CONFLICT (region) DO UPDATE
         SET term = excluded.term, hosts_alive = excluded.hosts_alive,
             store_bytes_read = excluded.store_bytes_read, reported_at = now()
         WHERE known.term <= excluded.term",
    )
    .bind(report.region.as_str())
    .bind(report.term)
    .bind(i32::try_from(report.hosts_alive).unwrap_or(i32::MAX))
    .bind(row::signed(report.store_bytes_read))
    .execute(&mut *connection)
    .await?;
    if taken.rows_affected() > 0 {
        return Ok(());
    }
    let seen: Option<i64> = sqlx::query_scalar("SELECT term FROM region_reports WHERE region = $1")
        .bind(report.region.as_str())
        .fetch_optional(connection)
        .await?;
    let region = report.region.clone();
    Err(match seen {
        None => Error::UnknownRegion(region),
        Some(seen) => Error::StaleTerm {
            region,
            term: report.term,
            seen,
        },
    })
}
