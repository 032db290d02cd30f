//! Where everything of a `starling dev` lives, below one data folder.

use model::{HostName, RegionName};
use std::path::{Path, PathBuf};

/// The data folder's plan.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Makes the folder unless it is there. Paths are absolute from here on: roles run in it.
    pub fn create(root: &Path) -> std::io::Result<Self> {
        fs_err::create_dir_all(root)?;
        let layout = Self {
            root: fs_err::canonicalize(root)?,
        };
        for folder in ["secrets", "roles", "logs"] {
            fs_err::create_dir_all(layout.root.join(folder))?;
        }
        // Keys and tokens are for the owner alone. The root itself stays open: Postgres, as another
        // user, must reach its own folder below it.
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs_err::set_permissions(layout.root.join("secrets"), owner_only)?;
        Ok(layout)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the command line reads to find this system.
    pub fn context(&self) -> PathBuf {
        self.root.join(crate::api_client::CONTEXT_FILE)
    }

    /// Which process is which, for people and for fault tests.
    pub fn processes(&self) -> PathBuf {
        self.root.join("processes.json")
    }

    /// Postgres' folder.
    pub fn postgres(&self) -> PathBuf {
        self.root.join("postgres")
    }

    /// The etcd member of a region.
    pub fn etcd(&self, region: &RegionName) -> PathBuf {
        self.root.join("etcd").join(region.as_str())
    }

    /// The object stores' bytes.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// A key or token.
    pub fn secret(&self, name: &str) -> PathBuf {
        self.root.join("secrets").join(name)
    }

    /// A role's written configuration.
    pub fn config(&self, process: &str) -> PathBuf {
        self.root.join("roles").join(format!("{process}.toml"))
    }

    /// A process's output.
    pub fn log(&self, process: &str) -> PathBuf {
        self.root.join("logs").join(format!("{process}.log"))
    }

    /// The working folder of one process that has one.
    pub fn work(&self, process: &str) -> PathBuf {
        self.root.join("work").join(process)
    }

    /// A host's own disk.
    pub fn host(&self, region: &RegionName, host: &HostName) -> PathBuf {
        self.root.join("hosts").join(region.as_str()).join(host.as_str())
    }
}
