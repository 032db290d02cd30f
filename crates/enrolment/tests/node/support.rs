//! A node's folder.

use crate::api::Api;
use enrolment::Config;
use model::node::Role;
use std::path::PathBuf;
use std::time::Duration;
use swarm::{Certificate, Identity, JoinSecret};
use tempfile::TempDir;

/// Long enough for a busy machine, and only waited for when something is broken.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The files of host `h1` of region `r1`.
pub struct Node {
    folder: TempDir,
    pub identity: Identity,
}

impl Node {
    pub fn new() -> Self {
        // An earlier test of this process may have installed it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        Self {
            folder,
            identity: Identity::generate(),
        }
    }

    pub fn certificate_file(&self) -> PathBuf {
        self.folder.path().join("certificate")
    }

    pub fn token_file(&self) -> PathBuf {
        self.folder.path().join("join-token")
    }

    /// An operator leaves a token.
    pub fn leave_token(&self) {
        std::fs::write(self.token_file(), JoinSecret::generate().expose()).unwrap();
    }

    pub fn config(&self, api: &Api, port: u16) -> Config {
        Config {
            api: format!("http://127.0.0.1:{port}"),
            join_token_file: self.token_file(),
            certificate_file: self.certificate_file(),
            identity: self.identity.clone(),
            authority: api.ask(|desk| desk.authority.key()),
            region: "r1".parse().unwrap(),
            role: Role::Host,
            name: "h1".parse().unwrap(),
        }
    }

    /// The certificate that the next start will find.
    pub fn kept(&self) -> Option<Certificate> {
        let text = std::fs::read_to_string(self.certificate_file()).ok()?;
        text.parse().ok()
    }
}

/// Waits until something is so.
pub async fn until(what: &str, so: impl Fn() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, waiting)
        .await
        .unwrap_or_else(|_| panic!("never came: {what}"));
}
