//! A region: its etcd, its store, its authority, and the API that its managers report to.

use crate::api::Api;
use crate::node::{Agent, Host, Manager};
use crate::store::Door;
use artifact::{FileEntry, Provenance, SigningKey, TrustedKeys};
use artifact_store::server::{self, Server};
use artifact_store::{Outputs, PartSender, Patience, Store, StoredManifest};
use desired_state::{DesiredState, Published};
use local_services::Etcd;
use model::instance::{InstanceHealth, Transfer};
use model::labels::Placed;
use model::service::ServiceSpec;
use model::{
    ArtifactId, Configuration, Cursor, DeploymentId, DesiredService, Epoch, Instance, Layer, RegionName,
    RegionService, ReleaseNumber, Selector, TaskState,
};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use swarm::{Authority, Handle, Identity, IncomingCall, Role, Statement, Swarm};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Long enough for a busy machine, and only waited for when something is broken.
pub const LIMIT: Duration = Duration::from_secs(60);
/// The region's token for the API.
pub const TOKEN: &str = "the-regions-token";
/// The only file of [`World::upload`]'s artifact.
pub const PROGRAM: &str = "bin/run";
/// Several pieces long, and the last one is short.
const PROGRAM_LENGTH: u32 = 300_000;

/// Everything around the managers and hosts of one region.
pub struct World {
    pub api: Api,
    etcd: Option<Etcd>,
    endpoint: String,
    /// Another of the same region, which a manager leads that is not supposed to.
    first_etcd: Option<Etcd>,
    store: Store,
    store_config: artifact_store::Config,
    authority: Authority,
    key: SigningKey,
    folder: TempDir,
    _store: DropGuard,
}

impl World {
    pub async fn new() -> Self {
        // An earlier test of this process may have installed it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let (store_config, stop) = store(&folder.path().join("store")).await;
        let etcd = Etcd::start(&folder.path().join("etcd")).await.unwrap();
        Self {
            api: Api::start().await,
            endpoint: etcd.endpoint(),
            etcd: Some(etcd),
            first_etcd: None,
            store: Store::connect(&store_config).unwrap(),
            store_config,
            authority: Authority::generate(),
            key: SigningKey::generate([1; 32]),
            folder,
            _store: stop.drop_guard(),
        }
    }

    pub fn region() -> RegionName {
        "us-east-1".parse().unwrap()
    }

    /// A folder of its own for a host.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn stop_etcd(&mut self) {
        self.etcd.take().unwrap().stop().await.unwrap();
    }

    /// Starts etcd again, with its data and at its address.
    pub async fn restart_etcd(&mut self) {
        let etcd = Etcd::start(&self.folder("etcd")).await.unwrap();
        assert_eq!(etcd.endpoint(), self.endpoint, "somebody took the port");
        self.etcd = Some(etcd);
    }

    /// Puts another etcd, empty, in the place of the one before, which goes on.
    pub async fn second_etcd(&mut self) {
        let etcd = Etcd::start(&self.folder("second-etcd")).await.unwrap();
        self.endpoint = etcd.endpoint();
        self.first_etcd = self.etcd.replace(etcd);
    }

    /// A door before the region's store.
    pub async fn door(&self) -> Door {
        let endpoint = self.store_config.endpoint.as_deref().unwrap();
        Door::before(endpoint.strip_prefix("http://").unwrap()).await
    }

    pub async fn desired_state(&self) -> DesiredState {
        DesiredState::connect(std::slice::from_ref(&self.endpoint), &Self::region())
            .await
            .unwrap()
    }

    /// Writes to etcd what the region should run.
    pub async fn publish(&self, desired: &RegionService) {
        let published = self.desired_state().await.publish(desired).await.unwrap();
        assert_eq!(published, Published::Written);
    }

    /// Puts an artifact of one file into the region's store, signed by whom the region trusts.
    pub async fn upload(&self) -> ArtifactId {
        let manifest = self.upload_content().await;
        self.finish_upload(&manifest).await;
        manifest.signed.artifact()
    }

    /// The same for an artifact of so many bytes that look random.
    pub async fn upload_long(&self, length: u32) -> ArtifactId {
        let manifest = self.upload_bytes(noise(length)).await;
        self.finish_upload(&manifest).await;
        manifest.signed.artifact()
    }

    /// The last step of an upload, with which the artifact is there.
    pub async fn finish_upload(&self, manifest: &StoredManifest) {
        self.store.put_manifest(manifest).await.unwrap();
    }

    /// An upload but for its last step.
    pub async fn upload_content(&self) -> StoredManifest {
        self.upload_bytes(program()).await
    }

    async fn upload_bytes(&self, bytes: Vec<u8>) -> StoredManifest {
        let path = self.folder("program");
        std::fs::write(&path, &bytes).unwrap();
        let entry = FileEntry {
            path: PROGRAM.parse().unwrap(),
            executable: true,
            length: bytes.len() as u64,
        };
        let outputs = Outputs {
            files: vec![(entry, path)],
            provenance: Provenance {
                repository: "starling".parse().unwrap(),
                commit: "0".repeat(40).parse().unwrap(),
                target: "//a:b".parse().unwrap(),
            },
        };
        let sender = PartSender::new(Patience::default()).unwrap();
        let (key, progress) = ("content".parse().unwrap(), watch::Sender::new(0));
        let uploaded = self
            .store
            .upload(&sender, &key, outputs, progress, CancellationToken::new())
            .await
            .unwrap();
        StoredManifest {
            signed: self
                .key
                .sign(&uploaded.manifest, artifact::BuildRun::default())
                .unwrap(),
            content_key: uploaded.content_key,
            crc64nvme: uploaded.crc64nvme,
            total: uploaded.manifest.total_length(),
        }
    }

    /// Starts a manager under test.
    pub async fn manager(&self, name: &str) -> Manager {
        self.manager_of(name, self.store.clone()).await
    }

    /// Starts one that reaches the store through a door, as do the hosts that it sends there.
    pub async fn manager_behind(&self, name: &str, door: &Door) -> Manager {
        let config = artifact_store::Config {
            endpoint: Some(format!("http://{}", door.address)),
            ..self.store_config.clone()
        };
        self.manager_of(name, Store::connect(&config).unwrap()).await
    }

    async fn manager_of(&self, name: &str, store: Store) -> Manager {
        let (handle, calls, node) = self.node(name, Role::Manager).await;
        let config = region::Config {
            region: Self::region(),
            candidate: name.parse().unwrap(),
            api: self.api.address.clone(),
            token: TOKEN.into(),
            trusted_keys: self.trusted_keys(),
            revoked_file: self.folder(name).with_extension("revoked"),
            period: Duration::from_secs(1),
        };
        let desired = self.desired_state().await;
        let service = region::Service::new(config, desired, store, (handle.clone(), calls));
        let stop = CancellationToken::new();
        Manager {
            swarm: handle,
            service: tokio::spawn(service.unwrap().run(stop.clone())),
            stop,
            _node: node,
        }
    }

    /// Starts a host's node.
    pub async fn host(&self, name: &str) -> Host {
        let (swarm, _calls, node) = self.node(name, Role::Host).await;
        Host {
            name: name.parse().unwrap(),
            swarm,
            trusted_keys: self.trusted_keys(),
            _node: node,
        }
    }

    /// Starts whole hosts, with agents that know this manager.
    pub async fn agents(&self, numbers: RangeInclusive<u32>, manager: &Manager) -> Vec<Agent> {
        let mut agents = Vec::new();
        for number in numbers {
            agents.push(self.agent(&format!("host-{number}"), manager).await);
        }
        agents
    }

    async fn agent(&self, name: &str, manager: &Manager) -> Agent {
        let (swarm, calls, node) = self.node(name, Role::Host).await;
        let manager = agent::Manager {
            peer: manager.swarm.local_peer(),
            addresses: manager.swarm.addresses().to_vec(),
        };
        let mut config = agent::Config::new(
            name.parse().unwrap(),
            "us-east-1a".parse().unwrap(),
            Self::region(),
            self.folder(name),
            vec![manager],
            self.trusted_keys(),
        );
        config.poll_period = Duration::from_millis(200);
        let stop = CancellationToken::new();
        let service = agent::Service::new(config, swarm.clone()).with_calls(calls);
        tokio::spawn(service.run(stop.clone()));
        Agent {
            name: name.parse().unwrap(),
            swarm,
            _stop: stop.drop_guard(),
            _node: node,
        }
    }

    fn trusted_keys(&self) -> TrustedKeys {
        TrustedKeys::new([self.key.public()]).unwrap()
    }

    /// A running node of the region's swarm, certified; it ends with the guard.
    async fn node(&self, name: &str, role: Role) -> (Handle, mpsc::Receiver<IncomingCall>, DropGuard) {
        let identity = Identity::generate();
        let statement = Statement {
            peer: identity.peer(),
            region: Self::region(),
            name: name.parse().unwrap(),
            role,
            not_after: "2100-01-01T00:00:00Z".parse().unwrap(),
        };
        let certificate = self.authority.issue(statement).unwrap();
        let mut config = swarm::Config::new(identity, certificate, self.authority.key());
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        let (handle, calls, driver) = Swarm::start(config).await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(driver.run(stop.clone()));
        (handle, calls, stop.drop_guard())
    }
}

/// A store of our own, empty.
async fn store(root: &Path) -> (artifact_store::Config, CancellationToken) {
    let (user, secret) = ("starling".to_owned(), "murmuration".to_owned());
    let server = Server::bind(server::Config {
        root: root.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        access_key_id: user.clone(),
        secret_access_key: secret.clone().into(),
    })
    .await
    .unwrap();
    let config = artifact_store::Config {
        endpoint: Some(format!("http://{}", server.local_addr())),
        signing_region: "us-east-1".to_owned(),
        bucket: "region".to_owned(),
        access_key_id: user,
        secret_access_key: secret.into(),
    };
    let stop = CancellationToken::new();
    tokio::spawn(server.run(stop.clone()));
    let store = Store::connect(&config).unwrap();
    store.ensure_bucket().await.unwrap();
    (config, stop)
}

/// The bytes of the artifact's file; no two pieces are alike.
pub fn program() -> Vec<u8> {
    noise(PROGRAM_LENGTH)
}

fn noise(length: u32) -> Vec<u8> {
    (0..length)
        .map(|at| (at.wrapping_mul(0x9e37_79b1) >> 24) as u8)
        .collect()
}

/// An order to stage an artifact.
pub fn desired(artifact: ArtifactId, epoch: i64) -> RegionService {
    let layer = Layer {
        deployment: DeploymentId("00000000-0000-7000-8000-000000000000".parse().unwrap()),
        epoch: Epoch(epoch),
        release: ReleaseNumber(epoch),
        artifact,
        selector: Selector::default(),
        configuration: Configuration::default(),
        cursor: Cursor::NOBODY,
        warm: false,
        spec: ServiceSpec::new("//a:b".parse().unwrap(), vec![PROGRAM.to_owned()]),
    };
    RegionService {
        service: "beacon".parse().unwrap(),
        epoch: Epoch(epoch),
        layers: vec![layer],
    }
}

/// The artifact that a region's newest layer names.
pub fn artifact(desired: &RegionService) -> ArtifactId {
    desired.newest().unwrap().artifact
}

/// What a host is ordered that has not its turn.
pub fn staged(desired: &RegionService) -> DesiredService {
    desired.order(&Placed::default(), false).unwrap()
}

/// A host's word on [`desired`].
pub fn instance(epoch: i64, state: TaskState) -> Instance {
    Instance {
        service: "beacon".parse().unwrap(),
        epoch: Epoch(epoch),
        desired_release: ReleaseNumber(epoch),
        running_release: None,
        active_release: None,
        warm_release: None,
        state,
        health: InstanceHealth::Unknown,
        observations: 0,
        port: None,
        transfer: Transfer::default(),
        reason: None,
    }
}

/// Asks again and again until there is an answer.
pub async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, asking)
        .await
        .unwrap_or_else(|_| panic!("never came: {what}"))
}
