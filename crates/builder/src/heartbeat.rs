//! Saying that this worker lives, from a thread, a runtime and a connection of its own.
//!
//! Nothing that a build or an upload does to the worker's runtime can hold a beat up. And where no beat
//! gets through, this is also what kills the builds, before the reaper may give them to somebody else.

use crate::{Config, Error, lease::Leases, metrics};
use database::jobs::Heartbeat;
use database::{Jobs, Limits};
use secrecy::{ExposeSecret, SecretString};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// The running thread.
#[derive(Debug)]
pub(crate) struct Heart {
    stop: CancellationToken,
    stopped: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// What the thread knows.
struct Pulse {
    url: SecretString,
    beat: Heartbeat,
    every: Duration,
    give_up_after: Duration,
    leases: Leases,
    /// Made at the first beat that gets through.
    jobs: Option<Jobs>,
}

impl Heart {
    pub(crate) fn start(config: &Config, leases: Leases) -> Result<Self, Error> {
        let pulse = Pulse {
            url: config.jobs_url.clone(),
            beat: Heartbeat {
                worker: config.name.clone(),
                version: config.version.clone(),
                host: config.host.clone(),
                capacity: u32::try_from(config.slots).unwrap_or(u32::MAX),
                leases: Vec::new(),
            },
            every: config.beat_every(),
            give_up_after: config.give_up_after(),
            leases,
            jobs: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::Heartbeat)?;
        let (stop, stopped) = (CancellationToken::new(), CancellationToken::new());
        let (until, on_end) = (stop.clone(), stopped.clone().drop_guard());
        let thread = std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || {
                // Cancelled however this thread ends, a panic included.
                let _on_end = on_end;
                runtime.block_on(pulse.run(until));
            })
            .map_err(Error::Heartbeat)?;
        Ok(Self {
            stop,
            stopped,
            thread: Some(thread),
        })
    }

    /// Waits until the thread has ended. Without [`Self::stop`] that means that something is broken.
    pub(crate) async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    /// Ends the thread; for when no lease is held any more.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the heartbeat's thread panicked");
        }
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Pulse {
    async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match tokio::time::timeout(self.every, self.beat()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => missed(&error),
                Err(_) => {
                    missed(&"the database did not answer in time");
                    // Its one connection may be open at this end alone, and would never be free again.
                    self.jobs = None;
                }
            }
            self.leases.give_up_unconfirmed(self.give_up_after);
        }
    }

    async fn beat(&mut self) -> Result<(), database::Error> {
        let jobs = match &self.jobs {
            Some(jobs) => jobs.clone(),
            None => {
                let limits = Limits {
                    connections_max: 1,
                    ..Limits::default()
                };
                let jobs = Jobs::connect(self.url.expose_secret(), limits).await?;
                self.jobs.insert(jobs).clone()
            }
        };
        self.beat.leases = self.leases.ids();
        let sent = Instant::now();
        let lost = jobs.heartbeat(&self.beat).await?;
        self.leases.confirm(&self.beat.leases, sent, &lost);
        Ok(())
    }
}

fn missed(reason: &dyn std::fmt::Display) {
    ::metrics::counter!(metrics::BEATS_MISSED).increment(1);
    tracing::warn!(%reason, "a heartbeat did not get through");
}
