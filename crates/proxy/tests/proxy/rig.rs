//! A proxy in a folder of its own, and somebody who steers it.

use proxy::{Config, Service};
use proxy_control::{Client, Point, Protocol, Target};
use std::collections::BTreeSet;
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long anything may take that is waited for.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Where proxies listen: not where connections come from, so that none of another test takes a proxy's port just before
/// it listens there.
pub const HOST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The folder of one host's proxies, whichever runs.
pub struct Rig {
    folder: TempDir,
    pub stable_port: u16,
}

/// A proxy that runs.
pub struct Running {
    pub stop: CancellationToken,
    pub ended: JoinHandle<Result<(), proxy::Error>>,
}

impl Rig {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            stable_port: free_port(),
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn config(&self) -> Config {
        let mut config = Config::new(self.folder().join("proxy"));
        config.listen = HOST.into();
        config.threads = 2;
        config
    }

    pub async fn start(&self) -> Running {
        self.start_with(self.config()).await
    }

    pub async fn start_with(&self, config: Config) -> Running {
        let service = Service::start(config).await.unwrap();
        let stop = CancellationToken::new();
        Running {
            ended: tokio::spawn(service.run(stop.clone())),
            stop,
        }
    }

    pub fn control(&self) -> Client {
        Client::new(self.config().control_socket)
    }

    pub fn point(&self, active: Target) -> Point {
        Point {
            service: "web".parse().unwrap(),
            stable_port: self.stable_port,
            active,
            protocol: Protocol::Http1,
            split: Vec::new(),
            sticky: None,
        }
    }

    pub async fn point_at(&self, active: Target) {
        self.control().point(self.point(active)).await.unwrap();
    }

    /// Waits until a target has nothing left to do.
    pub async fn drained(&self, target: Target) {
        let drain = async || {
            let drained = self.control().drain("web".parse().unwrap(), target, 60_000).await;
            drained.unwrap() == (0, 0)
        };
        eventually("drained", drain).await;
    }

    /// Everything that is in flight at all targets.
    pub async fn in_flight(&self) -> u64 {
        let status = self.control().status().await.unwrap();
        status[0].targets.iter().map(|of| of.in_flight).sum()
    }
}

impl Running {
    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(LIMIT, self.ended)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

/// Waits for a condition.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait)
        .await
        .unwrap_or_else(|_| panic!("never {what}"));
}

/// A port that no other rig gets: between a proxy's end and the next one's beginning nobody holds it.
fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = std::net::TcpListener::bind((HOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}
