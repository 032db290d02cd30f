//! What can go wrong with a mirror.

use model::repository::InvalidRepositoryUrl;
use model::{Commit, RepositoryName, Revision};
use std::path::PathBuf;

/// Why a mirror could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one that git may see here.
    #[error(transparent)]
    Url(#[from] InvalidRepositoryUrl),
    /// Nothing of that name was fetched yet.
    #[error("repository {0} was not fetched yet")]
    NotMirrored(RepositoryName),
    /// The repository has no such branch, tag or commit, or an abbreviated commit is ambiguous.
    #[error("repository {repository} has no branch, tag or commit {revision}")]
    UnknownRevision {
        /// Where it was looked for.
        repository: RepositoryName,
        /// What was looked for.
        revision: Revision,
    },
    /// The repository has no such commit, and its server does not give it either.
    #[error("repository {repository} has no commit {commit}")]
    UnknownCommit {
        /// Where it was looked for.
        repository: RepositoryName,
        /// What was looked for.
        commit: Commit,
    },
    /// A path that was asked for names a folder, a link or a submodule.
    #[error("{0} is not a regular file in this commit")]
    NotAFile(String),
    /// A path is not UTF-8 text, so that no `starling.toml` could name it.
    #[error("a file of this commit has a path that is not UTF-8 text")]
    PathNotText,
    /// A file is larger than the caller wants to read.
    #[error("{path} is larger than {length_max} bytes")]
    TooLarge {
        /// Which file.
        path: String,
        /// The caller's limit.
        length_max: usize,
    },
    /// A submodule that is not laid out.
    #[error("submodule {path:?}: {reason}")]
    Submodule {
        /// Its path in the repository that holds it.
        path: String,
        /// Why.
        reason: String,
    },
    /// Large files that are not fetched.
    #[error("the large files of {}: {reason}", commit.short())]
    LargeFiles {
        /// Whose.
        commit: Commit,
        /// Why.
        reason: String,
    },
    /// Git said no.
    #[error("git could not {operation}: {reason}")]
    Git {
        /// What it was asked to do.
        operation: &'static str,
        /// The end of what it said, without control characters.
        reason: String,
    },
    /// Git answered more than fits.
    #[error("git answered more than {length_max} bytes when asked to {operation}")]
    AnswerTooLong {
        /// What it was asked to do.
        operation: &'static str,
        /// The limit.
        length_max: usize,
    },
    /// Git answered something that is not understood here.
    #[error("git answered something unexpected when asked to {operation}")]
    AnswerUnclear {
        /// What it was asked to do.
        operation: &'static str,
    },
    /// Git took too long and was killed.
    #[error("git took longer than {seconds} s to {operation}")]
    Deadline {
        /// What it was asked to do.
        operation: &'static str,
        /// The limit.
        seconds: u64,
    },
    /// Another process has taken charge of the folder.
    #[error("the mirrors in {0} are in use by another process")]
    InUse(PathBuf),
    /// The runtime is shutting down.
    #[error("interrupted by shutdown")]
    Interrupted,
    /// The disk failed, or git is not installed.
    #[error("failed to keep a mirror on the disk")]
    Io(#[from] std::io::Error),
}
