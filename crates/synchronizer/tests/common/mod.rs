//! A real Postgres, and real S3 servers for the main store and two regions.
#![allow(
    clippy::unwrap_used,
    clippy::large_futures,
    reason = "a test that cannot build its world should fail; its futures may be large"
)]

use artifact::{FileEntry, Provenance, SigningKey};
use artifact_store::server::{self, Server};
use artifact_store::{
    ContentKey, Crc64, Existing, Outputs, PART_LENGTH, PartSender, Patience, Store, StoredManifest,
};
use database::builds::ReplicaRow;
use database::jobs::{Claim, NewBuild};
use database::{Builds, Jobs, Limits};
use local_services::Postgres;
use model::repository::{LocalRepositories, RepositoryUrl};
use model::{ArtifactId, RegionName, ReplicaState};
use std::path::{Path, PathBuf};
use std::time::Duration;
use synchronizer::{Config, Region, Service};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Far more than anything here takes.
pub const LIMIT: Duration = Duration::from_secs(60);
/// More than one part, so that a copy takes several steps.
pub const CONTENT_LENGTH: usize = 20 << 20;

/// One S3 server; it may be stopped, emptied and started again at its address.
pub struct S3 {
    pub root: PathBuf,
    pub address: std::net::SocketAddr,
    pub stop: CancellationToken,
    running: JoinHandle<()>,
}

impl S3 {
    pub async fn start(root: PathBuf, listen: std::net::SocketAddr) -> Self {
        let config = server::Config {
            root: root.clone(),
            listen,
            access_key_id: "starling".to_owned(),
            secret_access_key: "murmuration".to_owned().into(),
        };
        let server = Server::bind(config).await.unwrap();
        let (address, stop) = (server.local_addr(), CancellationToken::new());
        let running = tokio::spawn(server.run(stop.clone()));
        Self {
            root,
            address,
            stop,
            running,
        }
    }

    /// Loses everything, as a store of which the wrong bucket was deleted.
    pub async fn lose_everything(self, bucket: &str) -> Self {
        self.stop.cancel();
        self.running.await.unwrap();
        std::fs::remove_dir_all(&self.root).unwrap();
        let again = Self::start(self.root, self.address).await;
        again.store(bucket).await;
        again
    }

    pub fn config(&self, bucket: &str) -> artifact_store::Config {
        artifact_store::Config {
            endpoint: Some(format!("http://{}", self.address)),
            signing_region: "us-east-1".to_owned(),
            bucket: bucket.to_owned(),
            access_key_id: "starling".to_owned(),
            secret_access_key: "murmuration".to_owned().into(),
        }
    }

    pub async fn store(&self, bucket: &str) -> Store {
        let store = Store::connect(&self.config(bucket)).unwrap();
        store.ensure_bucket().await.unwrap();
        store
    }
}

pub struct World {
    pub jobs: Jobs,
    pub builds: Builds,
    pub main: Store,
    /// Holds the main store and that of `east`, so that it copies by itself.
    pub near: S3,
    /// Holds the store of `west`, so that bytes stream.
    pub far: S3,
    _postgres: Postgres,
    folder: tempfile::TempDir,
}

pub fn region(name: &str) -> RegionName {
    name.parse().unwrap()
}

impl World {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let postgres = Postgres::start(&folder.path().join("postgres")).await.unwrap();
        for database in ["jobs", "builds"] {
            postgres.create_database(database).await.unwrap();
        }
        let jobs = Jobs::connect(&postgres.url("jobs"), Limits::default())
            .await
            .unwrap();
        let builds = Builds::connect(&postgres.url("builds"), Limits::default())
            .await
            .unwrap();
        jobs.migrate().await.unwrap();
        builds.migrate().await.unwrap();
        let url = RepositoryUrl::parse("file:///srv/here", LocalRepositories::Allowed).unwrap();
        let actor = "ada@example.org".parse().unwrap();
        jobs.register_repository(&"here".parse().unwrap(), &url, &actor)
            .await
            .unwrap();
        for name in ["east", "west"] {
            builds.upsert_region(&region(name)).await.unwrap();
        }
        let any_port = "127.0.0.1:0".parse().unwrap();
        let near = S3::start(folder.path().join("near"), any_port).await;
        let far = S3::start(folder.path().join("far"), any_port).await;
        near.store("east").await;
        far.store("west").await;
        Self {
            main: near.store("main").await,
            jobs,
            builds,
            near,
            far,
            _postgres: postgres,
            folder,
        }
    }

    pub fn config(&self) -> Config {
        let regions = [
            (region("east"), Region::of(self.near.config("east"))),
            (region("west"), Region::of(self.far.config("west"))),
        ];
        Config {
            period: Duration::from_millis(300),
            compare_again_after: Duration::from_millis(500),
            ..Config::new(self.near.config("main"), regions.into())
        }
    }

    pub fn start(&self) -> (CancellationToken, JoinHandle<()>) {
        self.start_with(self.config())
    }

    pub fn start_with(&self, config: Config) -> (CancellationToken, JoinHandle<()>) {
        let service = Service::new(&config, self.jobs.clone(), self.builds.clone()).unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { service.run(stop).await.unwrap() }
        });
        (stop, running)
    }

    /// Does what a worker does: claims a build, publishes an artifact, succeeds.
    pub async fn build(&self) -> ArtifactId {
        let new = NewBuild {
            repository: "here".parse().unwrap(),
            revision: "main".parse().unwrap(),
            commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            target: "//wing:feather".parse().unwrap(),
            version: None,
            actor: "ada@example.org".parse().unwrap(),
            force: false,
            deadline: Duration::from_secs(900),
            priority: model::Priority::Normal,
            supersede: false,
        };
        self.jobs.enqueue(&new).await.unwrap();
        let claim = self
            .jobs
            .claim(&"worker".parse().unwrap())
            .await
            .unwrap()
            .unwrap();
        let artifact = publish(&self.main, self.folder.path(), &claim).await;
        let length = CONTENT_LENGTH as u64;
        self.jobs
            .succeed(claim.build, claim.lease, &artifact, length)
            .await
            .unwrap();
        artifact
    }

    /// Waits until the replica in `west` fulfils this.
    pub async fn west_becomes(&self, artifact: &ArtifactId, wanted: impl Fn(&ReplicaRow) -> bool) {
        let reached = async {
            // Until the artifact is recorded there are none.
            while !self
                .builds
                .replicas(artifact)
                .await
                .unwrap()
                .get(1)
                .is_some_and(&wanted)
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(LIMIT, reached).await;
        in_time.expect("the replica in west becomes what is wanted");
    }

    /// Waits until an artifact's replicas are in these states, by region.
    pub async fn replicas_become(&self, artifact: &ArtifactId, states: [ReplicaState; 2]) {
        let reached = async {
            loop {
                let replicas = self.builds.replicas(artifact).await.unwrap();
                if replicas.iter().map(|replica| replica.state).eq(states) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(LIMIT, reached).await.is_err() {
            panic!(
                "not {states:?}: {:?}",
                self.builds.replicas(artifact).await.unwrap()
            );
        }
    }
}

async fn publish(main: &Store, folder: &Path, claim: &Claim) -> ArtifactId {
    let file = folder.join("feather");
    let content: Vec<u8> = (0..CONTENT_LENGTH)
        .map(|index| ((index * 31) >> 7) as u8)
        .collect();
    std::fs::write(&file, content).unwrap();
    let entry = FileEntry {
        path: "bin/feather".parse().unwrap(),
        executable: true,
        length: CONTENT_LENGTH as u64,
    };
    let outputs = Outputs {
        files: vec![(entry, file)],
        provenance: Provenance {
            repository: claim.repository.clone(),
            commit: claim.commit.clone(),
            target: claim.target.clone(),
        },
    };
    let key = ContentKey::of_attempt(claim.build, claim.lease);
    let (progress, stop) = (tokio::sync::watch::Sender::new(0), CancellationToken::new());
    // An earlier test of this process may have installed it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let sender = PartSender::new(Patience::default()).unwrap();
    let uploaded = main.upload(&sender, &key, outputs, progress, stop).await.unwrap();
    let manifest = StoredManifest {
        signed: SigningKey::generate([7; 32])
            .sign(&uploaded.manifest, artifact::BuildRun::default())
            .unwrap(),
        content_key: uploaded.content_key,
        crc64nvme: uploaded.crc64nvme,
        total: uploaded.manifest.total_length(),
    };
    main.put_manifest(&manifest).await.unwrap();
    uploaded.manifest.id()
}

pub async fn whole(store: &Store, stored: &StoredManifest) -> Vec<u8> {
    let mut content = Vec::new();
    for start in (0..stored.total).step_by(PART_LENGTH as usize) {
        let range = start..stored.total.min(start + PART_LENGTH);
        content.extend(store.read(&stored.content_key, range).await.unwrap());
    }
    content
}

pub async fn put_content(store: &Store, key: &ContentKey, content: &[u8]) {
    let ticket = store.create_upload(key).await.unwrap();
    let mut parts = Vec::new();
    for (number, chunk) in (1..).zip(content.chunks(PART_LENGTH as usize)) {
        let part = store.put_part(&ticket, number, chunk.to_vec().into(), Crc64::of(chunk));
        parts.push(part.await.unwrap());
    }
    let crc64nvme = Crc64::of(content);
    store
        .complete_upload(&ticket, &parts, crc64nvme, Existing::Stays)
        .await
        .unwrap();
}
