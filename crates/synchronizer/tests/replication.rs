//! From a build that succeeded to verified replicas, between a real Postgres and real S3 servers.
#![allow(
    clippy::unwrap_used,
    clippy::large_futures,
    reason = "a test that cannot build its world should fail; its futures may be large"
)]

use artifact::{FileEntry, Provenance, SigningKey};
use artifact_store::server::{self, Server};
use artifact_store::{ContentKey, Outputs, Store, StoredManifest, Verification};
use database::jobs::{Claim, NewBuild};
use database::{Builds, Jobs, Limits};
use local_services::Postgres;
use model::repository::{LocalRepositories, RepositoryUrl};
use model::{ArtifactId, RegionName, ReplicaState};
use std::path::{Path, PathBuf};
use std::time::Duration;
use synchronizer::{Config, Service};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
/// More than one part, so that a copy takes several steps.
const CONTENT_LENGTH: usize = 20 << 20;

/// One S3 server; it may be stopped, emptied and started again at its address.
struct S3 {
    root: PathBuf,
    address: std::net::SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl S3 {
    async fn start(root: PathBuf, listen: std::net::SocketAddr) -> Self {
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
    async fn lose_everything(self, bucket: &str) -> Self {
        self.stop.cancel();
        self.running.await.unwrap();
        std::fs::remove_dir_all(&self.root).unwrap();
        let again = Self::start(self.root, self.address).await;
        again.store(bucket).await;
        again
    }

    fn config(&self, bucket: &str) -> artifact_store::Config {
        artifact_store::Config {
            endpoint: Some(format!("http://{}", self.address)),
            signing_region: "us-east-1".to_owned(),
            bucket: bucket.to_owned(),
            access_key_id: "starling".to_owned(),
            secret_access_key: "murmuration".to_owned().into(),
        }
    }

    async fn store(&self, bucket: &str) -> Store {
        let store = Store::connect(&self.config(bucket)).unwrap();
        store.ensure_bucket().await.unwrap();
        store
    }
}

struct World {
    jobs: Jobs,
    builds: Builds,
    main: Store,
    /// Holds the main store and that of `east`, so that it copies by itself.
    near: S3,
    /// Holds the store of `west`, so that bytes stream.
    far: S3,
    _postgres: Postgres,
    folder: tempfile::TempDir,
}

fn region(name: &str) -> RegionName {
    name.parse().unwrap()
}

impl World {
    async fn new() -> Self {
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

    fn start(&self) -> (CancellationToken, JoinHandle<()>) {
        let regions = [
            (region("east"), self.near.config("east")),
            (region("west"), self.far.config("west")),
        ];
        let config = Config {
            period: Duration::from_millis(300),
            compare_again_after: Duration::from_millis(500),
            ..Config::new(self.near.config("main"), regions.into())
        };
        let service = Service::new(&config, self.jobs.clone(), self.builds.clone()).unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { service.run(stop).await.unwrap() }
        });
        (stop, running)
    }

    /// Does what a worker does: claims a build, publishes an artifact, succeeds.
    async fn build(&self) -> ArtifactId {
        let new = NewBuild {
            repository: "here".parse().unwrap(),
            revision: "main".parse().unwrap(),
            commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            target: "//wing:feather".parse().unwrap(),
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

    /// Waits until an artifact's replicas are in these states, by region.
    async fn replicas_become(&self, artifact: &ArtifactId, states: [ReplicaState; 2]) {
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
    let uploaded = main.upload(&key, outputs, progress, stop).await.unwrap();
    let manifest = StoredManifest {
        signed: SigningKey::generate([7; 32]).sign(&uploaded.manifest),
        content_key: uploaded.content_key,
        crc64nvme: uploaded.crc64nvme,
        total: uploaded.manifest.total_length(),
    };
    main.put_manifest(&manifest).await.unwrap();
    uploaded.manifest.id()
}

const ALL_VERIFIED: [ReplicaState; 2] = [ReplicaState::Verified, ReplicaState::Verified];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_built_is_verified_in_every_region_and_comes_back_where_it_was_lost() {
    let mut world = World::new().await;
    let (stop, running) = world.start();
    let artifact = world.build().await;
    world.replicas_become(&artifact, ALL_VERIFIED).await;
    for store in [world.near.store("east").await, world.far.store("west").await] {
        assert_eq!(store.verify(&artifact).await.unwrap(), Verification::Matches);
    }

    // Nobody is told; the next comparison finds out, and the replicator copies again.
    let before = world.builds.replicas(&artifact).await.unwrap();
    world.far = world.far.lose_everything("west").await;
    let lost = async {
        loop {
            let now = world.builds.replicas(&artifact).await.unwrap();
            if now[1].verified_at > before[1].verified_at {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let now = tokio::time::timeout(LIMIT, lost)
        .await
        .expect("the replica comes back");
    assert_eq!(
        now[0].verified_at, before[0].verified_at,
        "the other region lost nothing"
    );
    let west = world.far.store("west").await;
    assert_eq!(west.verify(&artifact).await.unwrap(), Verification::Matches);

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_whose_store_is_away_holds_up_no_other_and_catches_up() {
    let world = World::new().await;
    let (root, address) = (world.far.root.clone(), world.far.address);
    world.far.stop.cancel();
    let (stop, running) = world.start();
    let artifact = world.build().await;
    let others = async {
        loop {
            let replicas = world.builds.replicas(&artifact).await.unwrap();
            let states: Vec<_> = replicas.iter().map(|replica| replica.state).collect();
            if let [ReplicaState::Verified, west] = states[..] {
                assert_ne!(west, ReplicaState::Verified);
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, others)
        .await
        .expect("east is verified");
    let _again = S3::start(root, address).await;
    world.replicas_become(&artifact, ALL_VERIFIED).await;

    stop.cancel();
    running.await.unwrap();
}
