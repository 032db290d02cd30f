//! A region's managers, as far as a host can tell: they answer calls, seed artifacts and hint.

use crate::artifacts::{Packed, key};
use agent::Manager;
use artifact::{SigningKey, TrustedKeys};
use jiff::{SignedDuration, Timestamp};
use model::control::RegionControls;
use model::host::{HostOrders, HostReport, HostRequest, HostResponse, Neighbour, StoreOffer};
use model::task_log::{LogAnswer, LogQuestion, ManagerRequest, ManagerResponse};
use model::{ArtifactId, DesiredService, HostName, PeerName, RegionName};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use swarm::{Authority, Certificate, Config, Handle, Identity, IncomingCall, Role, Source, Statement, Swarm};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What every part of a region trusts.
pub struct Region {
    authority: Authority,
    pub key: SigningKey,
}

impl Region {
    pub fn new() -> Self {
        Self {
            authority: Authority::generate(),
            key: key(1),
        }
    }

    pub fn name() -> RegionName {
        "us-east-1".parse().unwrap()
    }

    /// A node's configuration, on a free port of this machine.
    pub fn swarm(&self, identity: Identity, name: &str, role: Role) -> Config {
        let statement = Statement {
            peer: identity.peer(),
            region: Self::name(),
            name: name.parse().unwrap(),
            role,
            not_after: Timestamp::now() + SignedDuration::from_hours(1),
        };
        let certificate: Certificate = self.authority.issue(statement).unwrap();
        let mut config = Config::new(identity, certificate, self.authority.key());
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        config.call_timeout = Duration::from_secs(5);
        config
    }
}

/// One manager. Dropping it is its death.
pub struct FakeManager {
    pub swarm: Handle,
    name: HostName,
    said: Arc<Mutex<Said>>,
    pub reports: watch::Receiver<Option<HostReport>>,
    _stop: DropGuard,
}

/// What the manager says when it is asked.
#[derive(Default)]
struct Said {
    standing_by: bool,
    term: i64,
    controls: RegionControls,
    services: Vec<DesiredService>,
    manifests: HashMap<ArtifactId, Vec<u8>>,
    neighbours: Vec<Neighbour>,
    revoked: Vec<PeerName>,
    store: Vec<StoreOffer>,
    /// Who reported last.
    host: Option<swarm::PeerId>,
}

impl FakeManager {
    pub async fn start(region: &Region, name: &str) -> Self {
        let config = region.swarm(Identity::generate(), name, Role::Manager);
        let (swarm, incoming, driver) = Swarm::start(config).await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(driver.run(stop.clone()));
        let said = Arc::new(Mutex::new(Said {
            term: 1,
            ..Said::default()
        }));
        let (sender, reports) = watch::channel(None);
        tokio::spawn(answer_all(incoming, said.clone(), sender));
        let manager = Self {
            swarm,
            name: name.parse().unwrap(),
            said,
            reports,
            _stop: stop.drop_guard(),
        };
        let itself = manager.as_neighbour();
        manager.change(|said| said.neighbours = vec![itself]);
        manager
    }

    pub fn candidate(&self) -> Manager {
        Manager {
            peer: self.swarm.local_peer(),
            addresses: self.swarm.addresses().to_vec(),
        }
    }

    fn as_neighbour(&self) -> Neighbour {
        let Manager { peer, addresses } = self.candidate();
        Neighbour {
            host: self.name.clone(),
            peer: peer.to_string(),
            addresses,
        }
    }

    /// Seeds an artifact, and hands out its manifest, signed by `key`.
    pub async fn seed(&self, packed: &Packed, key: &SigningKey) -> ArtifactId {
        let signed = key.sign(&packed.manifest, artifact::BuildRun::default()).unwrap();
        let verified = TrustedKeys::new([key.public()]).unwrap().verify(&signed).unwrap();
        self.swarm
            .serve(verified, Source::Folder(packed.folder.clone()))
            .await
            .unwrap();
        self.hand_out(packed.manifest.id(), signed.encode());
        packed.manifest.id()
    }

    /// Hands out these bytes as an artifact's manifest.
    pub fn hand_out(&self, artifact: ArtifactId, bytes: Vec<u8>) {
        self.change(|said| drop(said.manifests.insert(artifact, bytes)));
    }

    pub fn order(&self, services: impl IntoIterator<Item = DesiredService>) {
        self.change(|said| said.services = services.into_iter().collect());
    }

    pub fn control(&self, controls: RegionControls) {
        self.change(|said| said.controls = controls);
    }

    /// The host that reported last.
    pub fn host(&self) -> swarm::PeerId {
        self.said.lock().unwrap().host.unwrap()
    }

    /// Asks that host for a part of a log.
    pub async fn ask_log(&self, question: LogQuestion) -> LogAnswer {
        let request = postcard::to_stdvec(&ManagerRequest::Log(question)).unwrap();
        let answer = self.swarm.call(self.host(), &[], request).await.unwrap();
        let ManagerResponse::Log(answer) = postcard::from_bytes(&answer).unwrap();
        answer
    }

    pub fn lead(&self, term: i64) {
        self.change(|said| said.term = term);
    }

    pub fn stand_by(&self) {
        self.change(|said| said.standing_by = true);
    }

    fn change(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.said.lock().unwrap());
    }
}

async fn answer_all(
    mut incoming: mpsc::Receiver<IncomingCall>,
    said: Arc<Mutex<Said>>,
    reports: watch::Sender<Option<HostReport>>,
) {
    while let Some(call) = incoming.recv().await {
        let request: HostRequest = postcard::from_bytes(&call.request).unwrap();
        let response = answer(&said.lock().unwrap(), &request);
        said.lock().unwrap().host = Some(call.peer());
        call.answer(postcard::to_stdvec(&response).unwrap()).unwrap();
        if let HostRequest::Report(report) = request {
            reports.send_replace(Some(report));
        }
    }
}

fn answer(said: &Said, request: &HostRequest) -> HostResponse {
    match request {
        _ if said.standing_by => HostResponse::StandingBy,
        HostRequest::Report(_) => HostResponse::Orders(HostOrders {
            controls: said.controls.clone(),
            term: said.term,
            services: said.services.clone(),
            neighbours: said.neighbours.clone(),
            revoked: said.revoked.clone(),
            store: said.store.clone(),
        }),
        HostRequest::Manifest(artifact) => match said.manifests.get(artifact) {
            Some(bytes) => HostResponse::Manifest(bytes.clone()),
            None => HostResponse::Refused("no such artifact".to_owned()),
        },
    }
}
