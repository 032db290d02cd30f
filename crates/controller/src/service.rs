//! The loops, and who leads them.

use crate::driver::Driver;
use crate::publisher::Publisher;
use crate::watcher::Watcher;
use crate::{Config, Error, metrics};
use database::{Builds, Hint, Singleton};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error_span, warn};

/// The publisher, the rollout driver and the watcher.
#[derive(Debug)]
pub struct Service {
    builds: Builds,
    period: Duration,
    watch_period: Duration,
    publisher: Publisher,
    driver: Driver,
    watcher: Watcher,
}

/// A reconciler: looks at the world and acts.
trait Reconcile: Send + 'static {
    /// What it is called in metrics.
    const PART: &'static str;

    /// One look. Fails when the database does; then it is tried again.
    fn pass(&self) -> impl Future<Output = Result<(), database::Error>> + Send;
}

impl Reconcile for Publisher {
    const PART: &'static str = "publisher";

    async fn pass(&self) -> Result<(), database::Error> {
        self.publish_due().await
    }
}

impl Reconcile for Driver {
    const PART: &'static str = "rollout";

    async fn pass(&self) -> Result<(), database::Error> {
        self.drive_all().await
    }
}

impl Reconcile for Watcher {
    const PART: &'static str = "watcher";

    async fn pass(&self) -> Result<(), database::Error> {
        self.look().await
    }
}

impl Service {
    /// Prepares connections to every region.
    ///
    /// # Errors
    /// [`Error::Region`] for an address that can never work; a region that is away is no error.
    pub async fn new(config: Config, builds: Builds) -> Result<Self, Error> {
        Ok(Self {
            publisher: Publisher::connect(builds.clone(), &config.regions).await?,
            driver: Driver::new(builds.clone()),
            watcher: Watcher::new(builds.clone()),
            period: config.period,
            watch_period: config.watch_period,
            builds,
        })
    }

    /// Publishes and drives until `stop`.
    ///
    /// # Errors
    /// Only [`Error::Panicked`].
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let Self {
            builds,
            period,
            watch_period,
            publisher,
            driver,
            watcher,
        } = self;
        let mut parts = JoinSet::new();
        let publisher = lead(
            (builds.clone(), Singleton::Publisher),
            (is_wanted, period),
            publisher,
            stop.clone(),
        );
        parts.spawn(publisher.instrument(error_span!("publisher")));
        let driver = lead(
            (builds.clone(), Singleton::Rollout),
            (is_wanted, period),
            driver,
            stop.clone(),
        );
        parts.spawn(driver.instrument(error_span!("rollout")));
        // It counts every host, and what it waits for takes minutes, so no hint hurries it.
        let watcher = lead(
            (builds, Singleton::Watcher),
            (|_| false, watch_period),
            watcher,
            stop,
        );
        parts.spawn(watcher.instrument(error_span!("watcher")));
        while let Some(ended) = parts.join_next().await {
            ended.map_err(Error::Panicked)?;
        }
        Ok(())
    }
}

/// Repeats a reconciler's pass for as long as this process leads, and campaigns again when it does not.
async fn lead<R: Reconcile>(
    (builds, what): (Builds, Singleton),
    (is_wanted, period): (fn(&Hint) -> bool, Duration),
    reconciler: R,
    stop: CancellationToken,
) {
    let passes = ::metrics::histogram!(metrics::PASS_SECONDS, "part" => R::PART);
    while let Some(leadership) = builds.lead(what, &stop).await {
        let mut wakeups = builds.wakeups(is_wanted, period);
        let work = async {
            loop {
                let began = Instant::now();
                let outcome = reconciler.pass().await;
                let took = began.elapsed();
                passes.record(took.as_secs_f64());
                if let Err(error) = outcome {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "pass failed; trying again"
                    );
                }
                // Hosts of a large fleet say something new all the time, and each look counts all of them: at most half
                // of the time is spent on looking, whatever a look takes.
                tokio::time::sleep(took).await;
                wakeups.next().await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = leadership.lost().cancelled() => {}
            () = work => {}
        }
    }
}

/// What moves a deployment: itself, its artifact's replicas, and what is said to its regions.
fn is_wanted(hint: &Hint) -> bool {
    matches!(
        hint,
        Hint::Deployment(_) | Hint::Replica(_) | Hint::Controls | Hint::Anything
    )
}
