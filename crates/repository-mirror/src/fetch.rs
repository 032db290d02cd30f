//! Bringing a mirror up to date.

use crate::{Error, Mirrors};
use model::{Commit, RepositoryName, RepositoryUrl};
use std::path::Path;
use std::time::{Duration, Instant};

/// For what speaks to another machine.
const NETWORK_DEADLINE: Duration = Duration::from_secs(600);

/// Where the tip of the repository's default branch is kept.
pub(crate) const DEFAULT_REF: &str = "refs/starling/default";

/// What git says when a repository has no default branch: it is empty, or `HEAD` names a branch that
/// does not exist.
const NO_DEFAULT: &str = "couldn't find remote ref HEAD";

impl Mirrors {
    /// Brings the mirror to what the repository is now: every branch and tag, and the default branch.
    /// The first time, the mirror is made.
    ///
    /// One at a time for each repository; whoever waited for an update that began after they asked
    /// shares it.
    pub async fn ensure(&self, name: &RepositoryName, url: &RepositoryUrl) -> Result<(), Error> {
        let url = RepositoryUrl::parse(url.as_str(), self.inner.local)?;
        let asked = Instant::now();
        let lock = self.update_lock(name);
        let mut last = lock.lock().await;
        if matches!(&*last, Some((began, from)) if *began >= asked && *from == url) {
            return Ok(());
        }
        let began = Instant::now();
        if self.folder(name).is_dir() {
            self.remove_leftovers(name).await?;
            self.fetch_branches(name, &url).await?;
        } else {
            self.clone_anew(name, &url).await?;
        }
        self.fetch_default(name, &url).await?;
        *last = Some((began, url));
        Ok(())
    }

    /// Sees to it that the mirror holds `commit`, without asking the repository's server where it does
    /// already. A commit that no branch holds any more is asked for by its name.
    pub async fn ensure_commit(
        &self,
        name: &RepositoryName,
        url: &RepositoryUrl,
        commit: &Commit,
    ) -> Result<(), Error> {
        if self.folder(name).is_dir() && self.has_commit(name, commit).await? {
            return Ok(());
        }
        self.ensure(name, url).await?;
        if self.has_commit(name, commit).await? {
            return Ok(());
        }
        let url = RepositoryUrl::parse(url.as_str(), self.inner.local)?;
        let lock = self.update_lock(name);
        let _held = lock.lock().await;
        let refspec = format!("{commit}:refs/starling/commits/{commit}");
        match self.fetch(name, &url, &[&refspec]).await {
            Ok(()) => {}
            // The server spoke to us a moment ago, so this is its no.
            Err(Error::Git { reason, .. }) => tracing::debug!(%commit, reason, "a commit was refused"),
            Err(error) => return Err(error),
        }
        if self.has_commit(name, commit).await? {
            return Ok(());
        }
        Err(Error::UnknownCommit {
            repository: name.clone(),
            commit: commit.clone(),
        })
    }

    /// Makes the mirror beside its place, so that a mirror that is there is whole.
    async fn clone_anew(&self, name: &RepositoryName, url: &RepositoryUrl) -> Result<(), Error> {
        let unfinished = self.inner.root.join(format!("{name}.git.new"));
        remove_folder(&unfinished).await?;
        self.inner
            .git
            .run("clone the repository")
            .deadline(NETWORK_DEADLINE)
            .arguments([
                "clone",
                "--quiet",
                "--bare",
                "--template=",
                "--no-recurse-submodules",
                "--",
            ])
            .arguments([url.as_str().as_ref(), unfinished.as_os_str()])
            .run()
            .await?;
        fs_err::tokio::rename(&unfinished, self.folder(name)).await?;
        Ok(())
    }

    async fn fetch_branches(&self, name: &RepositoryName, url: &RepositoryUrl) -> Result<(), Error> {
        self.fetch(
            name,
            url,
            &["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"],
        )
        .await
    }

    async fn fetch_default(&self, name: &RepositoryName, url: &RepositoryUrl) -> Result<(), Error> {
        let refspec = format!("+HEAD:{DEFAULT_REF}");
        match self.fetch(name, url, &[&refspec]).await {
            Err(Error::Git { reason, .. }) if reason.contains(NO_DEFAULT) => {
                let arguments = ["update-ref", "-d", DEFAULT_REF];
                let run = self
                    .git_in(name, "forget the default branch")
                    .arguments(arguments);
                run.run().await.map(|_| ())
            }
            other => other,
        }
    }

    async fn fetch(
        &self,
        name: &RepositoryName,
        url: &RepositoryUrl,
        refspecs: &[&str],
    ) -> Result<(), Error> {
        self.git_in(name, "fetch from the repository")
            .deadline(NETWORK_DEADLINE)
            .arguments([
                "fetch",
                "--quiet",
                "--prune",
                "--no-tags",
                "--no-write-fetch-head",
            ])
            .arguments(["--no-recurse-submodules", "--", url.as_str()])
            .arguments(refspecs)
            .run()
            .await?;
        Ok(())
    }

    /// Removes what a git that was killed in the middle left behind: its locks, which would stop every
    /// later update, and half a pack. Nobody else writes to this mirror now, by both our locks.
    async fn remove_leftovers(&self, name: &RepositoryName) -> Result<(), Error> {
        let folder = self.folder(name);
        tokio::task::spawn_blocking(move || {
            remove_where(&folder, 0, &|file| file.ends_with(".lock"))?;
            remove_where(&folder.join("refs"), REFS_DEPTH_MAX, &|file| {
                file.ends_with(".lock")
            })?;
            remove_where(&folder.join("objects/pack"), 0, &|file| file.starts_with("tmp_"))
        })
        .await
        .map_err(|_| Error::Interrupted)??;
        Ok(())
    }
}

/// Deeper than any reference of at most 255 characters.
const REFS_DEPTH_MAX: usize = 130;

fn remove_where(folder: &Path, depth: usize, doomed: &dyn Fn(&str) -> bool) -> std::io::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if depth > 0 {
                remove_where(&entry.path(), depth - 1, doomed)?;
            }
        } else if entry.file_name().to_str().is_some_and(doomed) {
            tracing::info!(file = %entry.path().display(), "removing what a killed git left behind");
            fs_err::remove_file(entry.path())?;
        }
    }
    Ok(())
}

async fn remove_folder(folder: &Path) -> std::io::Result<()> {
    match fs_err::tokio::remove_dir_all(folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
