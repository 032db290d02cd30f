//! What a worker is told at its start.

use crate::{PublishingApi, Secret, Thresholds};
use artifact_store::PartSender;
use database::Jobs;
use model::limits::Limits;
use model::{ByteSize, SecretName, WorkerName};
use repository_mirror::Mirrors;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tasks::sandbox::Sandbox;

/// The most builds that one worker runs at once.
const SLOTS_MAX: usize = 64;
/// Shorter windows than this would lose leases to a busy disk.
const LEASE_WINDOW_MIN: Duration = Duration::from_secs(1);
const UPLOAD_TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// A worker's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Unique among all workers; two workers of one name would speak for each other's leases.
    pub name: WorkerName,
    /// The machine's name, for people.
    pub host: String,
    /// The program's version, for people.
    pub version: String,
    /// How many builds run at once, 1 to 64.
    pub slots: usize,
    /// From when on it takes no more, although it could run more.
    pub admission: Thresholds,
    /// The worker's own folder, for checkouts. One process at a time uses it.
    pub work_folder: PathBuf,
    /// What targets' caches may hold together.
    pub caches_max: ByteSize,
    /// How builds are kept apart from the machine.
    pub sandbox: Sandbox,
    /// What a build may use whose target asks for nothing.
    pub limits: Limits,
    /// The most that a target may ask for.
    pub limits_max: Limits,
    /// What builds may be given that name it.
    pub secrets: BTreeMap<SecretName, Secret>,
    /// Variables of every build, `PATH` first of all. A target's own come on top.
    pub environment: BTreeMap<String, String>,
    /// The jobs database's address, where the heartbeat opens a connection of its own.
    pub jobs_url: SecretString,
    /// After this long without a sign of life the reaper gives a build back. The same as the reaper's.
    /// The worker speaks ten times as often, and after two thirds without an answer kills its builds.
    pub lease_window: Duration,
    /// How long an attempt may take to upload and publish, at least a second. The build's deadline ends when its
    /// upload begins: what was compiled in time is not lost to a slow network. An upload that takes longer is the
    /// machine's fault, so the build is tried again, and the next attempt goes on with what is there.
    pub upload_timeout: Duration,
    /// How much of a build's output is kept.
    pub log: LogLimits,
    /// How long running builds may still take when the worker is asked to stop; then they are handed
    /// back.
    pub stop_grace: Duration,
    /// How often the queue is looked at without a hint.
    pub poll_every: Duration,
}

/// How much of a build's output is kept: its beginning, as it comes, and its end, once it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes of the beginning.
    pub head_bytes: usize,
    /// Bytes of the end; also what is held in memory for one build.
    pub tail_bytes: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            head_bytes: 8 << 20,
            tail_bytes: 1 << 20,
        }
    }
}

/// The parts that a worker works with.
#[derive(Debug, Clone)]
pub struct Dependencies {
    /// The queue.
    pub jobs: Jobs,
    /// Publishes what builds make: neither the main store's credentials nor the key that signs are known here.
    pub publishing: PublishingApi,
    /// Sends bytes to the main store, at addresses that the former signs.
    pub sender: PartSender,
    /// Where commits come from.
    pub mirrors: Mirrors,
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// Too few or too many builds at once.
    #[error("a worker has 1 to {SLOTS_MAX} slots")]
    Slots,
    /// Too short to be kept.
    #[error("the lease window is at least {} s", LEASE_WINDOW_MIN.as_secs())]
    LeaseWindow,
    /// No upload would end.
    #[error("the upload timeout is at least {} s", UPLOAD_TIMEOUT_MIN.as_secs())]
    UploadTimeout,
    /// The queue would be looked at all the time.
    #[error("the queue is looked at every 100 ms at most")]
    PollEvery,
}

impl Config {
    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        if !(1..=SLOTS_MAX).contains(&self.slots) {
            return Err(InvalidConfig::Slots);
        }
        if self.lease_window < LEASE_WINDOW_MIN {
            return Err(InvalidConfig::LeaseWindow);
        }
        if self.upload_timeout < UPLOAD_TIMEOUT_MIN {
            return Err(InvalidConfig::UploadTimeout);
        }
        if self.poll_every < Duration::from_millis(100) {
            return Err(InvalidConfig::PollEvery);
        }
        Ok(())
    }

    /// How often the worker says that it lives.
    pub(crate) fn beat_every(&self) -> Duration {
        self.lease_window / 10
    }

    /// How long the worker believes in its leases without an answer. The rest of the window is for
    /// killing what runs.
    pub(crate) fn give_up_after(&self) -> Duration {
        self.lease_window * 2 / 3
    }
}
