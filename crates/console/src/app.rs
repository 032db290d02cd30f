//! What every request shares.

use crate::change::Changes;
use crate::enrol::Issuer;
use crate::inventory::Inventory;
use crate::live::Streams;
use crate::log::Logs;
use crate::publish::Publisher;
use crate::service::{Config, Error, Parts};
use crate::task_logs::TaskLogs;
use crate::token::{TOKENS_MAX, Tokens};
use artifact_store::Store;
use axum::extract::FromRef;
use database::{Builds, Jobs};
use model::repository::LocalRepositories;
use repository_mirror::Mirrors;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) jobs: Jobs,
    pub(crate) builds: Builds,
    pub(crate) logs: Logs,
    pub(crate) store: Store,
    pub(crate) mirrors: Mirrors,
    pub(crate) tokens: Tokens,
    pub(crate) local_repositories: LocalRepositories,
    pub(crate) secure_cookie: bool,
    /// What is kept of artifacts that nobody needs.
    pub(crate) retention: Arc<retention::Policy>,
    /// Signs the certificates of nodes.
    pub(crate) issuer: Issuer,
    /// Publishes for workers.
    pub(crate) publisher: Publisher,
    /// Hears programs that speak for themselves.
    pub(crate) inventory: Inventory,
    /// Asks hosts what their tasks write.
    pub(crate) task_logs: TaskLogs,
    /// Wakes live streams when something changed.
    pub(crate) changes: Changes,
    /// Counts live streams.
    pub(crate) streams: Streams,
    /// Work that outlives the request that began it: fetches of repositories.
    pub(crate) background: TaskTracker,
    /// Ends live streams and background work.
    pub(crate) closing: CancellationToken,
}

impl FromRef<App> for Publisher {
    fn from_ref(app: &App) -> Self {
        app.publisher.clone()
    }
}

impl App {
    pub(crate) fn new(config: Config, parts: Parts) -> Result<Self, Error> {
        let Parts {
            jobs,
            builds,
            store,
            mirrors,
        } = parts;
        if !(1..=TOKENS_MAX).contains(&config.tokens.len()) {
            return Err(Error::Tokens(config.tokens.len()));
        }
        Ok(Self {
            logs: Logs::new(jobs.clone(), store.clone()),
            publisher: Publisher::new(jobs.clone(), store.clone(), config.signing_key),
            inventory: Inventory::start(&builds),
            store,
            jobs,
            builds,
            mirrors,
            tokens: Tokens::new(config.tokens),
            local_repositories: config.local_repositories,
            secure_cookie: config.secure_cookie,
            retention: Arc::new(config.retention),
            issuer: Issuer::new(config.authorities, config.certificate_life)?,
            task_logs: TaskLogs::default(),
            changes: Changes::default(),
            streams: Streams::default(),
            background: TaskTracker::new(),
            closing: CancellationToken::new(),
        })
    }
}
