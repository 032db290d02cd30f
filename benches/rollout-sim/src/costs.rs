//! What the control plane has used until a moment.

use crate::stage::Stage;
use bench_harness::{Meter, Spent};
use bench_postgres::cpu_seconds;
use bench_region::scrape;
use std::ops::Sub;

/// Tables of what hosts say, which grow with their number; all others are the control plane's own.
const OF_HOSTS: &str = "'instances', 'region_reports', 'service_words', 'deployment_regions'";

/// Counters at one moment, or between two.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// Steps in which more hosts were given their turn.
    pub steps: f64,
    /// Seconds in which the driver looked at deployments.
    pub looking_s: f64,
    /// How often it did.
    pub looks: f64,
    /// Rows written of the control plane's own tables.
    pub own_rows: f64,
    /// Rows written of what hosts said.
    pub host_rows: f64,
    /// Writes into all regions' etcds.
    pub etcd_puts: f64,
    /// Processor seconds of Postgres.
    pub postgres_s: f64,
}

impl Counters {
    pub async fn now(stage: &Stage) -> anyhow::Result<Self> {
        // Backends tell of what they did once a second at the most.
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let rows = |is: &str| {
            format!(
                "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables
                 WHERE relname {is} ({OF_HOSTS})"
            )
        };
        let metric = |name, labels| scrape(stage.observed_at, name, labels);
        Ok(Self {
            steps: metric("starling_rollout_cursors_moved_total", &[]).await?,
            looking_s: metric("starling_controller_pass_seconds_sum", &["part=\"rollout\""]).await?,
            looks: metric("starling_controller_pass_seconds_count", &["part=\"rollout\""]).await?,
            own_rows: stage.server.number(&rows("NOT IN")).await?,
            host_rows: stage.server.number(&rows("IN")).await?,
            etcd_puts: stage.etcd_puts().await?,
            postgres_s: cpu_seconds(stage.server.id()?)?,
        })
    }
}

impl Sub for Counters {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            steps: self.steps - before.steps,
            looking_s: self.looking_s - before.looking_s,
            looks: self.looks - before.looks,
            own_rows: self.own_rows - before.own_rows,
            host_rows: self.host_rows - before.host_rows,
            etcd_puts: self.etcd_puts - before.etcd_puts,
            postgres_s: self.postgres_s - before.postgres_s,
        }
    }
}

/// The controller between two moments.
#[derive(Debug)]
pub struct Controller(Meter);

impl Controller {
    pub fn watch(stage: &Stage) -> anyhow::Result<Self> {
        Ok(Self(Meter::begin([stage.controller_id()?])))
    }

    pub fn end(self) -> Spent {
        self.0.end()
    }
}
