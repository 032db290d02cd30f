//! `starling worker`: builds what is queued.

mod autoscale;
mod sandbox;
mod secrets;

pub use autoscale::autoscale_hint;
pub use sandbox::SandboxSettings;
pub use secrets::SecretSettings;

use super::api::refused;
use super::parts;
use crate::observe;
use artifact_store::{PartSender, Patience};
use builder::{Config, Dependencies, LogLimits, PublishingApi, Thresholds};
use model::limits::{LimitRequest, Limits};
use model::repository::LocalRepositories;
use model::{ByteSize, SecretName, WorkerName};
use repository_mirror::Mirrors;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The role's configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Unique among all workers.
    pub name: WorkerName,
    /// The jobs database.
    pub jobs_url: String,
    /// The worker's own folder, for mirrors and checkouts.
    pub folder: PathBuf,
    /// How many builds run at once.
    #[serde(default = "one")]
    pub slots: usize,
    /// From when on it takes no more, although it could run more.
    #[serde(default)]
    pub admission: AdmissionSettings,
    /// The same as the controller's.
    #[serde(default = "default_lease_window_seconds")]
    pub lease_window_seconds: u32,
    /// How long an attempt may take to upload and publish; the build's deadline ends when its upload begins.
    #[serde(default = "default_upload_timeout_seconds")]
    pub upload_timeout_seconds: u32,
    /// How long running builds may still take when the worker is asked to stop.
    #[serde(default = "default_stop_grace_seconds")]
    pub stop_grace_seconds: u32,
    /// Whether `file://` repositories are fetched.
    #[serde(default = "refused")]
    pub local_repositories: LocalRepositories,
    /// The API, which publishes what is built, such as `https://starling.example`.
    pub api: String,
    /// A file that holds a token of the role `worker`.
    pub token_file: PathBuf,
    /// What targets' caches may hold together.
    #[serde(default = "default_caches_max")]
    pub caches_max: ByteSize,
    pub sandbox: SandboxSettings,
    /// What a build may use whose target asks for nothing.
    #[serde(default)]
    pub limits: LimitRequest,
    /// The most that a target may ask for.
    #[serde(default)]
    pub limits_max: LimitRequest,
    /// What builds may be given that name it. A table for each: `[secrets.NPM_TOKEN]`.
    #[serde(default)]
    pub secrets: BTreeMap<SecretName, SecretSettings>,
    #[serde(default)]
    pub observe: observe::Settings,
}

/// From when on a worker takes no more builds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdmissionSettings {
    /// The share of the last ten seconds, in percent, in which something waited for a processor; 100 for never.
    pub cpu_percent: f64,
    /// The same for memory.
    pub memory_percent: f64,
    /// What must be free of the disk.
    pub disk_free: ByteSize,
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        let Thresholds {
            cpu_percent,
            memory_percent,
            disk_free,
        } = Thresholds::USUAL;
        Self {
            cpu_percent,
            memory_percent,
            disk_free,
        }
    }
}

impl From<AdmissionSettings> for Thresholds {
    fn from(settings: AdmissionSettings) -> Self {
        Self {
            cpu_percent: settings.cpu_percent,
            memory_percent: settings.memory_percent,
            disk_free: settings.disk_free,
        }
    }
}

const fn default_caches_max() -> ByteSize {
    ByteSize::gibibytes(20)
}

const fn one() -> usize {
    1
}

/// Half a minute: a worker that is silent for so long is gone.
pub const fn default_lease_window_seconds() -> u32 {
    30
}

/// Two hours: 10 GB at 1.4 MB/s.
pub const fn default_upload_timeout_seconds() -> u32 {
    7_200
}

const fn default_stop_grace_seconds() -> u32 {
    600
}

pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let readiness = observe::start("worker", &settings.observe, stop.clone()).await?;
    let token = parts::read_secret(&settings.token_file)?.into();
    let dependencies = Dependencies {
        jobs: parts::jobs(&settings.jobs_url).await?,
        publishing: PublishingApi::new(&settings.api, &token)?,
        sender: PartSender::new(Patience::default())?,
        mirrors: Mirrors::new(settings.folder.join("mirrors"), settings.local_repositories).await?,
    };
    let secrets = settings.secrets.into_iter();
    let secrets = secrets.map(|(name, settings)| Ok((name.clone(), settings.secret(&name)?)));
    // The mirrors are ours alone by now, so this names one living worker. Its name would not do: two `starling dev`
    // on one machine have workers of the same names.
    let groups_name = format!(
        "{}-{:x}",
        settings.name,
        fs_err::metadata(&settings.folder)?.ino()
    );
    let config = Config {
        name: settings.name,
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        slots: settings.slots,
        admission: settings.admission.into(),
        work_folder: settings.folder.join("builds"),
        caches_max: settings.caches_max,
        sandbox: settings.sandbox.sandbox(&groups_name)?,
        limits: Limits::USUAL.with(&settings.limits),
        limits_max: Limits::MOST.with(&settings.limits_max),
        secrets: secrets.collect::<anyhow::Result<_>>()?,
        environment: settings.sandbox.environment.clone(),
        jobs_url: settings.jobs_url.into(),
        lease_window: Duration::from_secs(settings.lease_window_seconds.into()),
        upload_timeout: Duration::from_secs(settings.upload_timeout_seconds.into()),
        log: LogLimits::default(),
        stop_grace: Duration::from_secs(settings.stop_grace_seconds.into()),
        poll_every: Duration::from_secs(1),
    };
    let service = builder::Service::new(config, dependencies)?;
    readiness.ready();
    service.run(stop).await?;
    Ok(())
}
