//! Telling an autoscaler how much there is to do, as metrics.
//!
//! Every process that runs this says the same, so that it does not matter which of them is asked.

use crate::metrics;
use database::Jobs;
use database::jobs::Demand;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often it is counted.
const EVERY: Duration = Duration::from_secs(5);

/// What counts builds and slots.
#[derive(Debug)]
pub struct Service {
    jobs: Jobs,
    lease_window: Duration,
}

impl Service {
    /// Workers that were not heard of for `lease_window` do not count. Nothing happens before [`Self::run`].
    pub fn new(jobs: Jobs, lease_window: Duration) -> Self {
        Self { jobs, lease_window }
    }

    /// Counts until `stop` is cancelled. While the database is away the last numbers stay.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match self.jobs.demand(self.lease_window).await {
                Ok(demand) => tell(&demand),
                Err(error) => tracing::debug!(%error, "failed to count what there is to do"),
            }
        }
    }
}

fn tell(demand: &Demand) {
    let set = |name: &'static str, value: u64| ::metrics::gauge!(name).set(value as f64);
    set(metrics::QUEUE_LENGTH, demand.queued);
    set(metrics::QUEUE_READY, demand.ready);
    set(metrics::BUILDS_RUNNING, demand.running);
    set(metrics::SLOTS, demand.slots);
    set(metrics::SLOTS_WANTED, demand.slots_wanted());
    let oldest = demand.oldest_wait.unwrap_or_default();
    ::metrics::gauge!(metrics::OLDEST_WAIT_SECONDS).set(oldest.as_secs_f64());
}
