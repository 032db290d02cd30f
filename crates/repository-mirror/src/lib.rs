//! The only room that runs git.
//!
//! A [`Mirrors`] keeps a bare mirror of every repository that it was asked for in one folder, and
//! answers from there: what commit a revision means, what a file held, and a commit's tree laid out for
//! a build.
//!
//! Promises:
//!
//! - Whatever a repository or an address holds, git runs nothing of it: no hook, filter, submodule,
//!   credential helper or transport command (see `settings`), and it never waits for a person.
//! - What people wrote reaches git as checked types only, in argument arrays or on standard input,
//!   never where an option could stand.
//! - Every run of git has a deadline and a bound on what it may answer, and ends with its caller.
//!
//! It never decides which repository is right, and holds no credentials.

mod checkout;
mod error;
mod fetch;
mod git;
mod history;
mod large_files;
mod read;
mod settings;
mod submodules;

pub use checkout::Selection;
pub use error::Error;
use git::Git;
pub use history::{CommitLine, Commits};
pub use large_files::LargeFiles;
use model::repository::LocalRepositories;
use model::{RepositoryName, RepositoryUrl};
pub use read::TreeFile;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The mirrors of one folder. Cheap to clone; clones share the mirrors and their locks.
#[derive(Debug, Clone)]
pub struct Mirrors {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    local: LocalRepositories,
    git: Git,
    /// One entry a mirror; held while it is brought up to date.
    updates: Mutex<HashMap<RepositoryName, Arc<tokio::sync::Mutex<LastUpdate>>>>,
    /// Held for the life of this value, so that no other process changes these mirrors.
    _claim: fs_err::File,
}

/// When the last update that succeeded began, and from where; `None` before the first.
type LastUpdate = Option<(Instant, RepositoryUrl)>;

impl Mirrors {
    /// Takes charge of the folder `root`, which is made if it is missing. One process at a time may.
    ///
    /// `local` says whether `file://` addresses are fetched from; an address is checked again here,
    /// whoever checked it before.
    pub async fn new(root: PathBuf, local: LocalRepositories) -> Result<Self, Error> {
        tokio::task::spawn_blocking(move || Self::open(root, local))
            .await
            .map_err(|_| Error::Interrupted)?
    }

    fn open(root: PathBuf, local: LocalRepositories) -> Result<Self, Error> {
        fs_err::create_dir_all(root.join("home"))?;
        let root = fs_err::canonicalize(root)?;
        let claim = fs_err::File::create(root.join("lock"))?;
        match claim.file().try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(Error::InUse(root)),
            Err(std::fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        let settings = root.join("settings");
        fs_err::write(&settings, settings::text(local))?;
        let git = Git::new(settings, root.join("home"));
        let inner = Inner {
            root,
            local,
            git,
            updates: Mutex::default(),
            _claim: claim,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Where a repository's mirror is. A name is safe in a path: it has letters, digits and '-' only.
    fn folder(&self, name: &RepositoryName) -> PathBuf {
        self.inner.root.join(format!("{name}.git"))
    }

    fn git_in(&self, name: &RepositoryName, operation: &'static str) -> git::Run<'_> {
        self.inner.git.run_in(&self.folder(name), operation)
    }

    /// Fails where there is no mirror yet, with words that are clearer than git's.
    fn demand(&self, name: &RepositoryName) -> Result<(), Error> {
        if self.folder(name).is_dir() {
            Ok(())
        } else {
            Err(Error::NotMirrored(name.clone()))
        }
    }

    fn update_lock(&self, name: &RepositoryName) -> Arc<tokio::sync::Mutex<LastUpdate>> {
        let mut updates = self.inner.updates.lock().unwrap_or_else(PoisonError::into_inner);
        updates.entry(name.clone()).or_default().clone()
    }
}
