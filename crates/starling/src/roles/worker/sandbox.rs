//! A worker's sandbox, as its operator writes it down.

use anyhow::Context as _;
use model::ByteSize;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tasks::sandbox::{Cgroups, Isolation, Sandbox};

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
    /// Whether control groups hold builds to their limits.
    #[serde(default)]
    pub cgroups: CgroupUse,
    /// What is to stay free of the disk. Builds are stopped, and tried again elsewhere, when less is left.
    #[serde(default = "default_disk_reserve")]
    pub disk_reserve: ByteSize,
}

/// Whether control groups are used. Without them limits are watched, and nothing holds the processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupUse {
    /// Where this process may make some.
    #[default]
    Auto,
    /// The worker does not start without memory, processors and processes held.
    Required,
    /// Not at all.
    Off,
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

const fn default_disk_reserve() -> ByteSize {
    ByteSize::gibibytes(1)
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
            cgroups: CgroupUse::Auto,
            disk_reserve: default_disk_reserve(),
        }
    }

    /// Blocks.
    pub(super) fn sandbox(&self, groups_name: &str) -> anyhow::Result<Sandbox> {
        let isolation = match self.kind {
            SandboxKind::Bubblewrap => Isolation::Bubblewrap {
                read_only: self.read_only.clone(),
            },
            SandboxKind::ProcessGroup => Isolation::ProcessGroup,
        };
        Ok(Sandbox {
            isolation,
            cgroups: self.cgroups.open(groups_name)?,
            disk_reserve: self.disk_reserve,
        })
    }
}

impl CgroupUse {
    fn open(self, name: &str) -> anyhow::Result<Option<Cgroups>> {
        let opened = match self {
            Self::Off => return Ok(None),
            Self::Auto | Self::Required => Cgroups::open(name),
        };
        match opened {
            Ok(groups) if self == Self::Required && groups.controllers().len() < 3 => {
                let held = groups.controllers();
                anyhow::bail!("control groups are required for memory, cpu and pids, and hold only {held:?}")
            }
            Ok(groups) => Ok(Some(groups)),
            Err(error) if self == Self::Required => Err(error).context("control groups are required"),
            Err(error) => {
                tracing::warn!(
                    %error,
                    "no control groups: memory and processes of builds are watched, and nothing holds the \
                     processors"
                );
                Ok(None)
            }
        }
    }
}
