//! A region for tests: an authority, and nodes that it has certified.

use crate::{Authority, Config, Handle, Identity, IncomingCall, PeerId, Role, Statement, Status, Swarm};
use model::host::Neighbour;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a slow machine; only a test that hangs meets it.
pub const LIMIT: Duration = Duration::from_secs(60);

pub struct Region {
    pub authority: Authority,
    pub root: TempDir,
}

/// A running node.
pub struct Member {
    pub name: String,
    pub handle: Handle,
    pub calls: mpsc::Receiver<IncomingCall>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Region {
    pub fn new() -> Self {
        Self {
            authority: Authority::generate(),
            root: tempfile::tempdir().unwrap(),
        }
    }

    /// A folder of its own for a node.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What a node of this region is told when it starts. The same name has the same key every time.
    pub fn config(&self, name: &str, role: Role) -> Config {
        let identity = Identity::load_or_create(&self.folder(name).join("identity")).unwrap();
        let statement = Statement {
            peer: identity.peer(),
            region: "r1".parse().unwrap(),
            name: name.parse().unwrap(),
            role,
            not_after: "2100-01-01T00:00:00Z".parse().unwrap(),
        };
        let certificate = self.authority.issue(statement).unwrap();
        let mut config = Config::new(identity, certificate, self.authority.key());
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        config
    }

    pub async fn start(&self, name: &str, role: Role) -> Member {
        Member::start(name, self.config(name, role)).await
    }

    pub async fn hosts(&self, count: usize) -> Vec<Member> {
        let mut hosts = Vec::new();
        for number in 0..count {
            hosts.push(self.start(&format!("host-{number}"), Role::Host).await);
        }
        hosts
    }
}

impl Member {
    pub async fn start(name: &str, config: Config) -> Self {
        let (handle, calls, swarm) = Swarm::start(config).await.unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(swarm.run(stop.clone()));
        Self {
            name: name.to_owned(),
            handle,
            calls,
            stop,
            task,
        }
    }

    pub fn peer(&self) -> PeerId {
        self.handle.local_peer()
    }

    pub fn neighbour(&self) -> Neighbour {
        Neighbour {
            host: self.name.parse().unwrap(),
            peer: self.peer().to_string(),
            addresses: self.handle.addresses().to_vec(),
        }
    }

    /// Ends the node as a crash would for its peers: its connections just break.
    pub async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    pub async fn is_connected_to(&self, peer: PeerId) {
        self.until(|status| status.peers.iter().any(|other| other.peer == peer))
            .await;
    }

    /// Waits until the node says that something is so.
    pub async fn until(&self, so: impl Fn(&Status) -> bool) -> Status {
        let poll = async {
            loop {
                let status = self.handle.status().await.unwrap();
                if so(&status) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LIMIT, poll)
            .await
            .expect("it came to be so in time")
    }
}

/// Makes everybody everybody's neighbour.
pub async fn connect(members: &[&Member]) {
    let neighbours: Vec<Neighbour> = members.iter().map(|member| member.neighbour()).collect();
    for member in members {
        member.handle.set_neighbours(neighbours.clone()).await.unwrap();
    }
    for member in members {
        for other in members.iter().filter(|other| other.peer() != member.peer()) {
            member.is_connected_to(other.peer()).await;
        }
    }
}
