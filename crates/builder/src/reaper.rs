//! Giving the builds of lost workers back, by whichever process leads.
//!
//! What is stale is decided in the database alone; see `database::Jobs::reap`.

use crate::metrics;
use database::jobs::{Fate, Reaped};
use database::{Jobs, Leadership, Singleton};
use failpoint::Point;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// The reaper's configuration.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// After this long without a sign of life a worker's build is given back. The same as the workers'.
    pub lease_window: Duration,
}

/// The reaper.
#[derive(Debug)]
pub struct Service {
    config: Config,
    jobs: Jobs,
}

impl Service {
    /// Nothing happens before [`Self::run`].
    pub fn new(config: Config, jobs: Jobs) -> Self {
        Self { config, jobs }
    }

    /// Reaps while this process leads, until `stop` is cancelled. A database that is away is waited for.
    pub async fn run(self, stop: CancellationToken) {
        while let Some(leadership) = self.jobs.lead(Singleton::Reaper, &stop).await {
            tracing::info!("this process reaps lost builds");
            stop.run_until_cancelled(self.reap_while_leading(&leadership))
                .await;
        }
    }

    async fn reap_while_leading(&self, leadership: &Leadership) {
        let mut ticks = tokio::time::interval(self.config.lease_window / 6);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while leadership
            .lost()
            .run_until_cancelled(ticks.tick())
            .await
            .is_some()
        {
            match self.jobs.reap(self.config.lease_window).await {
                Ok(reaped) => reaped.iter().for_each(tell),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "failed to look for lost builds"
                    );
                }
            }
        }
    }
}

fn tell(reaped: &Reaped) {
    failpoint::reach(Point::ReaperTook);
    let word = match &reaped.fate {
        Fate::GivenBack => "given_back",
        Fate::Failed(_) => "failed",
    };
    ::metrics::counter!(metrics::REAPED, "fate" => word).increment(1);
    tracing::warn!(build.id = %reaped.build, reaped.fate = ?reaped.fate, "a build was reaped");
}
