//! `starling worker`: builds what is queued.

use super::api::refused;
use super::parts::{self, StoreSettings};
use crate::observe;
use anyhow::Context as _;
use artifact::SigningKey;
use builder::{Config, Dependencies, LogLimits};
use model::WorkerName;
use model::repository::LocalRepositories;
use repository_mirror::Mirrors;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tasks::sandbox::Sandbox;
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
    /// The same as the controller's.
    #[serde(default = "default_lease_window_seconds")]
    pub lease_window_seconds: u32,
    /// How long running builds may still take when the worker is asked to stop.
    #[serde(default = "default_stop_grace_seconds")]
    pub stop_grace_seconds: u32,
    /// Whether `file://` repositories are fetched.
    #[serde(default = "refused")]
    pub local_repositories: LocalRepositories,
    /// A file that holds the key that signs manifests.
    pub signing_key_file: PathBuf,
    pub sandbox: SandboxSettings,
    /// The main store.
    pub store: StoreSettings,
    #[serde(default)]
    pub observe: observe::Settings,
}

/// How builds are kept apart from the machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxSettings {
    /// Namespaces by bubblewrap, or a process group and no more.
    pub kind: SandboxKind,
    /// Toolchains that builds may read besides the system's; nothing in them may be secret.
    #[serde(default)]
    pub read_only: Vec<PathBuf>,
    /// Variables of every build.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// The ways to keep builds apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxKind {
    /// Namespaces, by `bwrap`.
    Bubblewrap,
    /// For machines where namespaces are not to be had, by an operator who trusts every repository.
    ProcessGroup,
}

const fn one() -> usize {
    1
}

/// Half a minute: a worker that is silent for so long is gone.
pub const fn default_lease_window_seconds() -> u32 {
    30
}

const fn default_stop_grace_seconds() -> u32 {
    600
}

impl SandboxSettings {
    /// Bubblewrap, with the Rust toolchain of whoever runs this.
    pub fn for_this_machine() -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let folder = |variable: &str, usual: &str| {
            std::env::var_os(variable).map_or_else(|| home.join(usual), PathBuf::from)
        };
        let (rustup, programs) = (
            folder("RUSTUP_HOME", ".rustup"),
            folder("CARGO_HOME", ".cargo").join("bin"),
        );
        let mut path = "/usr/local/bin:/usr/bin:/bin".to_owned();
        let mut environment = BTreeMap::new();
        let mut read_only = Vec::new();
        if programs.is_dir() {
            path = format!("{}:{path}", programs.display());
            read_only.push(programs);
        }
        if rustup.is_dir() {
            environment.insert("RUSTUP_HOME".to_owned(), rustup.display().to_string());
            read_only.push(rustup);
        }
        environment.insert("PATH".to_owned(), path);
        Self {
            kind: SandboxKind::Bubblewrap,
            read_only,
            environment,
        }
    }

    fn sandbox(&self) -> Sandbox {
        match self.kind {
            SandboxKind::Bubblewrap => Sandbox::Bubblewrap {
                read_only: self.read_only.clone(),
            },
            SandboxKind::ProcessGroup => Sandbox::ProcessGroup,
        }
    }
}

pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let readiness = observe::start("worker", &settings.observe, stop.clone()).await?;
    let signing_key = SigningKey::from_hex(fs_err::read_to_string(&settings.signing_key_file)?.trim())
        .with_context(|| format!("{} holds no key", settings.signing_key_file.display()))?;
    let dependencies = Dependencies {
        jobs: parts::jobs(&settings.jobs_url).await?,
        store: settings.store.connect().await?,
        mirrors: Mirrors::new(settings.folder.join("mirrors"), settings.local_repositories).await?,
        signing_key,
    };
    let config = Config {
        name: settings.name,
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        slots: settings.slots,
        work_folder: settings.folder.join("builds"),
        sandbox: settings.sandbox.sandbox(),
        environment: settings.sandbox.environment,
        jobs_url: settings.jobs_url.into(),
        lease_window: Duration::from_secs(settings.lease_window_seconds.into()),
        log: LogLimits::default(),
        stop_grace: Duration::from_secs(settings.stop_grace_seconds.into()),
        poll_every: Duration::from_secs(1),
    };
    let service = builder::Service::new(config, dependencies)?;
    readiness.ready();
    service.run(stop).await?;
    Ok(())
}
