//! The nodes of the region's swarm: managers under test, and hosts that a test plays.

use crate::support::{LIMIT, eventually};
use artifact::{SignedManifest, TrustedKeys, VerifiedManifest};
use model::host::{HostOrders, HostReport, HostRequest, HostResponse};
use model::instance::Transfer;
use model::{ArtifactId, HostName, Instance};
use swarm::{Handle, Status};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A manager that runs.
pub struct Manager {
    pub swarm: Handle,
    pub stop: CancellationToken,
    pub service: JoinHandle<()>,
    pub _node: DropGuard,
}

impl Manager {
    /// Waits until its node says that something is so.
    pub async fn until(&self, what: &str, so: impl Fn(&Status) -> bool) {
        eventually(what, async || {
            so(&self.swarm.status().await.unwrap()).then_some(())
        })
        .await;
    }

    /// Gone from one moment to the next.
    pub async fn die(self) {
        self.service.abort();
        assert!(self.service.await.unwrap_err().is_cancelled());
    }

    /// Stops it in an orderly way.
    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(LIMIT, self.service).await.unwrap().unwrap();
    }
}

/// A whole host. Dropping it is its death.
pub struct Agent {
    pub name: HostName,
    pub swarm: Handle,
    pub _stop: DropGuard,
    pub _node: DropGuard,
}

impl Agent {
    /// Waits until it holds an artifact whole; how that came.
    pub async fn completes(&self, artifact: ArtifactId) -> Transfer {
        eventually(&format!("the artifact on {}", self.name), async || {
            let status = self.swarm.status().await.unwrap();
            let mut known = status.artifacts.iter();
            let found = known.find(|it| it.artifact == artifact && it.complete)?;
            Some(found.transfer)
        })
        .await
    }
}

/// A host that does nothing by itself.
pub struct Host {
    pub name: HostName,
    pub swarm: Handle,
    pub trusted_keys: TrustedKeys,
    pub _node: DropGuard,
}

impl Host {
    /// What it says of itself, with these instances.
    pub fn report(&self, instances: Vec<Instance>) -> HostReport {
        HostReport {
            host: self.name.clone(),
            zone: "us-east-1a".parse().unwrap(),
            labels: Default::default(),
            addresses: self.swarm.addresses().to_vec(),
            instances,
            complete: Vec::new(),
            arrivals: Vec::new(),
            trouble: None,
        }
    }

    /// Asks once.
    pub async fn ask(&self, manager: &Manager, request: &HostRequest) -> HostResponse {
        let request = postcard::to_stdvec(request).unwrap();
        let (peer, addresses) = (manager.swarm.local_peer(), manager.swarm.addresses());
        let answer = self.swarm.call(peer, addresses, request).await;
        postcard::from_bytes(&answer.unwrap()).unwrap()
    }

    /// Reports these instances and asks for orders, once.
    pub async fn tell(&self, manager: &Manager, instances: Vec<Instance>) -> HostResponse {
        let request = HostRequest::Report(self.report(instances));
        self.ask(manager, &request).await
    }

    /// Asks until the manager gives orders like these.
    pub async fn orders(&self, manager: &Manager, fits: impl Fn(&HostOrders) -> bool) -> HostOrders {
        eventually("such orders", async || {
            match self.tell(manager, Vec::new()).await {
                HostResponse::Orders(orders) if fits(&orders) => Some(orders),
                HostResponse::Orders(_) | HostResponse::StandingBy => None,
                other => panic!("neither orders nor patience: {other:?}"),
            }
        })
        .await
    }

    /// Asks until the manager stands by.
    pub async fn stands_by(&self, manager: &Manager) {
        eventually("a manager that stands by", async || {
            matches!(self.tell(manager, Vec::new()).await, HostResponse::StandingBy).then_some(())
        })
        .await;
    }

    /// Asks until the manager hands the manifest out, and checks its signature.
    pub async fn manifest(&self, manager: &Manager, artifact: ArtifactId) -> VerifiedManifest {
        let request = HostRequest::Manifest(artifact);
        let bytes = eventually("the manifest", async || match self.ask(manager, &request).await {
            HostResponse::Manifest(bytes) => Some(bytes),
            HostResponse::StandingBy | HostResponse::Refused(_) => None,
            other @ HostResponse::Orders(_) => panic!("no manifest: {other:?}"),
        })
        .await;
        let signed = SignedManifest::decode(&bytes).unwrap();
        self.trusted_keys.verify(&signed).unwrap()
    }
}
