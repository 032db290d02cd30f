//! The console as a part: how it is configured, built and run.

use crate::app::App;
use crate::token::{TOKENS_MAX, Token};
use crate::{change, router, serve};
use artifact::SigningKey;
use artifact_store::Store;
use axum::Router;
use database::{Builds, Jobs};
use model::RegionName;
use model::repository::LocalRepositories;
use repository_mirror::Mirrors;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use swarm::Authority;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How the console behaves.
#[derive(Debug)]
pub struct Config {
    /// Who may speak; at most [`TOKENS_MAX`].
    pub tokens: Vec<Token>,
    /// Whether repositories on this machine's own disk may be registered.
    pub local_repositories: LocalRepositories,
    /// Whether the login cookie is only sent over HTTPS. True wherever the console is reached through a
    /// proxy that ends TLS; false only on loopback.
    pub secure_cookie: bool,
    /// Signs the provenance of what workers made.
    pub signing_key: SigningKey,
    /// What is kept of artifacts that nobody needs.
    pub retention: retention::Policy,
    /// The authorities of the regions whose nodes this server enrols.
    pub authorities: BTreeMap<RegionName, Authority>,
    /// How long a node's certificate is valid; 10 seconds to 90 days. A node renews its own in time.
    pub certificate_life: Duration,
}

/// What it reads and writes.
#[derive(Debug)]
pub struct Parts {
    /// The queue.
    pub jobs: Jobs,
    /// Everything after a build.
    pub builds: Builds,
    /// The main store, to which workers' artifacts are published, and where the logs of builds that have ended are.
    pub store: Store,
    /// Resolves branches and tags.
    pub mirrors: Mirrors,
}

/// Why the console could not start or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody could ever log in, or a lookup would take too long.
    #[error("the console needs 1 to {TOKENS_MAX} tokens, and {0} were given")]
    Tokens(usize),
    /// Nodes would have to renew their certificates all the time, or could hardly be revoked.
    #[error("a certificate lives 10 seconds to 90 days, not {0:?}")]
    CertificateLife(Duration),
    /// The socket broke.
    #[error("failed to accept connections")]
    Accept(#[source] std::io::Error),
}

/// The API and the console, ready to run.
#[derive(Debug)]
pub struct Service {
    app: App,
    listener: TcpListener,
}

impl Service {
    /// Prepares to answer on `listener`, which the caller has bound.
    pub fn new(config: Config, listener: TcpListener, parts: Parts) -> Result<Self, Error> {
        let app = App::new(config, parts)?;
        Ok(Self { app, listener })
    }

    /// Where it answers.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Every address of the API and the console, to be driven without a socket.
    pub fn router(&self) -> Router {
        router::build(self.app.clone())
    }

    /// Answers until `stop`, then ends live streams and waits a moment for requests in flight.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let Self { app, listener } = self;
        let router = router::build(app.clone());
        // `serve` cancels `closing` when it ends, well or not, which ends the other too.
        let (result, ()) = tokio::join!(
            serve::serve(listener, router, app.closing.clone(), stop),
            change::follow(app.clone())
        );
        app.background.close();
        app.background.wait().await;
        result
    }
}
