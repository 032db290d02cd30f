//! The collector on a real Postgres and real stores.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

use artifact::{BuildRun, FileEntry, Provenance, SigningKey};
use artifact_store::server::{self, Server};
use artifact_store::{ContentKey, Outputs, Patience, Store, StoredManifest};
use controller::collector::{Collector, Settings};
use database::builds::{Artifact, Inventory};
use database::jobs::{Claim, NewBuild};
use database::{Builds, Jobs, Limits};
use local_services::Postgres;
use model::repository::LocalRepositories;
use model::{ArtifactId, RegionName, RepositoryUrl};
use std::collections::BTreeMap;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

struct World {
    jobs: Jobs,
    builds: Builds,
    main: Store,
    regions: BTreeMap<RegionName, Store>,
    folder: TempDir,
    postgres: Postgres,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let postgres = Postgres::start(&folder.path().join("postgres")).await.unwrap();
        for name in ["jobs", "builds"] {
            postgres.create_database(name).await.unwrap();
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
        let (name, actor) = ("here".parse().unwrap(), "ada@example.org".parse().unwrap());
        jobs.register_repository(&name, &url, &actor).await.unwrap();
        let server = Server::bind(server::Config {
            root: folder.path().join("store"),
            listen: "127.0.0.1:0".parse().unwrap(),
            access_key_id: "starling".to_owned(),
            secret_access_key: "murmuration".to_owned().into(),
        });
        let server = server.await.unwrap();
        let endpoint = format!("http://{}", server.local_addr());
        tokio::spawn(server.run(CancellationToken::new()));
        let mut regions = BTreeMap::new();
        for name in ["east", "west"] {
            builds.upsert_region(&name.parse().unwrap()).await.unwrap();
            regions.insert(name.parse().unwrap(), store(&endpoint, name).await);
        }
        Self {
            jobs,
            builds,
            main: store(&endpoint, "main").await,
            regions,
            folder,
            postgres,
        }
    }

    async fn claimed(&self, force: bool) -> Claim {
        self.claimed_at(0, force).await
    }

    async fn claimed_at(&self, commit: u32, force: bool) -> Claim {
        let new = NewBuild {
            repository: "here".parse().unwrap(),
            revision: "main".parse().unwrap(),
            commit: format!("{commit:040x}").parse().unwrap(),
            target: "//:web".parse().unwrap(),
            version: None,
            actor: "ada@example.org".parse().unwrap(),
            force,
            deadline: Duration::from_secs(900),
            priority: Default::default(),
            supersede: false,
        };
        assert!(self.jobs.enqueue(&new).await.unwrap().fresh);
        self.jobs
            .claim(&"worker-1".parse().unwrap())
            .await
            .unwrap()
            .unwrap()
    }

    /// A build that succeeded, with its artifact in every store.
    async fn built(&self) -> ArtifactId {
        self.built_at(0).await
    }

    async fn built_at(&self, commit: u32) -> ArtifactId {
        let claim = self.claimed_at(commit, false).await;
        let file = self.folder.path().join("web");
        std::fs::write(&file, b"the program").unwrap();
        let mut made = None;
        for store in self.stores() {
            made = Some(upload(store, &claim, &file).await);
        }
        let (id, total_bytes) = made.unwrap();
        assert!(self.jobs.set_out(claim.build, claim.lease, &id).await.unwrap());
        self.succeed(claim, id, total_bytes).await;
        id
    }

    /// Ends a build, as its worker and then the synchronizer do.
    async fn succeed(&self, claim: Claim, id: ArtifactId, total_bytes: u64) {
        self.jobs
            .succeed(claim.build, claim.lease, &id, total_bytes)
            .await
            .unwrap();
        let artifact = Artifact {
            id,
            build: claim.build,
            repository: claim.repository,
            commit: claim.commit,
            target: claim.target,
            total_bytes,
        };
        self.builds.record_artifact(&artifact).await.unwrap();
    }

    /// Makes every removal that somebody left older than anything that it asked for.
    async fn removals_are_over(&self) {
        let sql = sqlx::PgPool::connect(&self.postgres.url("jobs")).await.unwrap();
        sqlx::query("UPDATE removals SET begun_at = begun_at - interval '1 hour'")
            .execute(&sql)
            .await
            .unwrap();
    }

    fn stores(&self) -> impl Iterator<Item = &Store> {
        std::iter::once(&self.main).chain(self.regions.values())
    }

    async fn withdraw_all(&self) -> usize {
        let all = |inventory: Inventory| inventory.artifacts.iter().map(|each| each.id).collect();
        let actor = "ada@example.org".parse().unwrap();
        self.builds.withdraw(&actor, all).await.unwrap().len()
    }

    fn collector(&self, settle: Duration) -> Collector {
        self.collector_of(self.main.clone(), settle)
    }

    fn collector_of(&self, main: Store, settle: Duration) -> Collector {
        let settings = Settings {
            main,
            regions: self.regions.clone(),
            settle,
        };
        Collector::new(settings, self.jobs.clone(), self.builds.clone())
    }

    /// In how many stores the artifact is.
    async fn copies(&self, artifact: &ArtifactId) -> usize {
        let mut copies = 0;
        for store in self.stores() {
            copies += usize::from(store.get_manifest(artifact).await.unwrap().is_some());
        }
        copies
    }
}

fn config(endpoint: &str, bucket: &str) -> artifact_store::Config {
    artifact_store::Config {
        endpoint: Some(endpoint.to_owned()),
        signing_region: "us-east-1".to_owned(),
        bucket: bucket.to_owned(),
        access_key_id: "starling".to_owned(),
        secret_access_key: "murmuration".to_owned().into(),
    }
}

fn client(endpoint: &str, bucket: &str) -> Store {
    Store::connect(&config(endpoint, bucket)).unwrap()
}

async fn store(endpoint: &str, bucket: &str) -> Store {
    let store = client(endpoint, bucket);
    store.ensure_bucket().await.unwrap();
    store
}

async fn upload(store: &Store, claim: &Claim, file: &std::path::Path) -> (ArtifactId, u64) {
    let entry = FileEntry {
        path: "web".parse().unwrap(),
        executable: true,
        length: std::fs::metadata(file).unwrap().len(),
    };
    let outputs = Outputs {
        files: vec![(entry, file.to_owned())],
        provenance: Provenance {
            repository: claim.repository.clone(),
            commit: claim.commit.clone(),
            target: claim.target.clone(),
        },
    };
    let key = ContentKey::of_attempt(claim.build, claim.lease);
    let uploaded = store
        .upload(&key, outputs, watch::Sender::new(0), CancellationToken::new())
        .await
        .unwrap();
    let total = uploaded.manifest.total_length();
    let manifest = StoredManifest {
        signed: SigningKey::generate([7; 32])
            .sign(&uploaded.manifest, BuildRun::default())
            .unwrap(),
        content_key: uploaded.content_key,
        crc64nvme: uploaded.crc64nvme,
        total,
    };
    store.put_manifest(&manifest).await.unwrap();
    (uploaded.manifest.id(), total)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_withdrawn_leaves_every_store_and_can_be_built_again() {
    let world = World::new().await;
    let artifact = world.built().await;
    let settled = world.collector(Duration::ZERO);
    assert_eq!(settled.pass().await.unwrap(), 0, "nothing was withdrawn");
    assert_eq!(world.copies(&artifact).await, 3);

    assert_eq!(world.withdraw_all().await, 1);
    let early = world.collector(Duration::from_secs(3_600));
    assert_eq!(early.pass().await.unwrap(), 0, "a copy may still arrive");
    assert_eq!(world.copies(&artifact).await, 0);
    for store in world.stores() {
        assert_eq!(store.unfinished("").await.unwrap(), []);
    }
    assert_eq!(settled.pass().await.unwrap(), 1);
    assert_eq!(settled.pass().await.unwrap(), 0);
    assert_eq!(world.builds.withdrawn_count().await.unwrap(), 0);
    // The same commit and target is a new build now.
    assert_eq!(world.built().await, artifact);
    assert_eq!(world.copies(&artifact).await, 3);
    assert_eq!(settled.pass().await.unwrap(), 0);
    assert_eq!(world.copies(&artifact).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_running_build_means_to_publish_stays_in_every_store() {
    let world = World::new().await;
    let artifact = world.built().await;
    let running = world.claimed(true).await;
    assert!(
        world
            .jobs
            .set_out(running.build, running.lease, &artifact)
            .await
            .unwrap()
    );
    assert_eq!(world.withdraw_all().await, 1);
    let collector = world.collector(Duration::ZERO);
    assert_eq!(collector.pass().await.unwrap(), 0);
    assert_eq!(world.copies(&artifact).await, 3);
    world.jobs.fail(running.build, running.lease, "no").await.unwrap();
    assert_eq!(collector.pass().await.unwrap(), 1);
    assert_eq!(world.copies(&artifact).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_is_built_again_meanwhile_is_not_removed() {
    let world = World::new().await;
    let artifact = world.built().await;
    let running = world.claimed(true).await;
    // It makes the same bytes, and has found them in the main store.
    world
        .jobs
        .set_out(running.build, running.lease, &artifact)
        .await
        .unwrap();
    world.withdraw_all().await;
    let collector = world.collector(Duration::ZERO);
    let succeeded = async {
        world
            .jobs
            .succeed(running.build, running.lease, &artifact, 11)
            .await
            .unwrap();
    };
    // Before, while and after it ends.
    let (passed, ()) = tokio::join!(collector.pass(), succeeded);
    assert_eq!(passed.unwrap(), 0);
    assert_eq!(collector.pass().await.unwrap(), 0);
    let again = Artifact {
        id: artifact,
        build: running.build,
        repository: running.repository,
        commit: running.commit,
        target: running.target,
        total_bytes: 11,
    };
    world.builds.record_artifact(&again).await.unwrap();
    assert_eq!(collector.pass().await.unwrap(), 0);
    assert_eq!(world.copies(&artifact).await, 3);
    let replicas = world.builds.replicas(&artifact).await.unwrap();
    assert_eq!(replicas.len(), 2, "it is copied again");
}

/// Accepts connections and never answers.
async fn silence() -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let holding = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    (address, holding)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_crashes_between_the_stores_is_gone_on_with() {
    let world = World::new().await;
    let artifact = world.built().await;
    world.withdraw_all().await;
    let (silent, holding) = silence().await;
    let crashing = world.collector_of(client(&silent, "main"), Duration::ZERO);
    let crashed = tokio::spawn(async move { crashing.pass().await });
    let in_regions_no_more = async {
        while world.copies(&artifact).await > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, in_regions_no_more).await.unwrap();
    crashed.abort();
    assert!(crashed.await.unwrap_err().is_cancelled());
    holding.abort();

    let running = world.claimed(true).await;
    let next = world.collector(Duration::ZERO);
    assert_eq!(next.pass().await.unwrap(), 0, "the other may still be at it");
    assert_eq!(world.copies(&artifact).await, 1);
    world.removals_are_over().await;
    assert_eq!(next.pass().await.unwrap(), 1);
    assert_eq!(world.copies(&artifact).await, 0);
    let free = world.jobs.set_out(running.build, running.lease, &artifact).await;
    assert!(free.unwrap(), "it may be published again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_away_keeps_the_main_store_and_holds_up_no_build_for_long() {
    let world = World::new().await;
    let artifact = world.built().await;
    world.withdraw_all().await;
    let mut without_west = world.regions.clone();
    // Nobody listens on port 1.
    let west = Patience {
        attempts_max: 1,
        ..Patience::default()
    };
    let west = Store::with_patience(&config("http://127.0.0.1:1", "west"), west).unwrap();
    without_west.insert("west".parse().unwrap(), west);
    let settings = Settings {
        main: world.main.clone(),
        regions: without_west,
        settle: Duration::ZERO,
    };
    let collector = Collector::new(settings, world.jobs.clone(), world.builds.clone());
    assert_eq!(collector.pass().await.unwrap(), 0);
    assert_eq!(world.copies(&artifact).await, 2, "west's and the main one");

    let running = world.claimed(true).await;
    let set_out = || world.jobs.set_out(running.build, running.lease, &artifact);
    assert!(!set_out().await.unwrap());
    world.removals_are_over().await;
    assert_eq!(collector.pass().await.unwrap(), 0, "a build waits");
    assert!(set_out().await.unwrap());
    world.succeed(running, artifact, 11).await;
    assert_eq!(world.collector(Duration::ZERO).pass().await.unwrap(), 0);
    assert_eq!(world.copies(&artifact).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_collectors_at_once_collect_each_artifact_once() {
    let world = World::new().await;
    let mut artifacts = Vec::new();
    for commit in 0..6 {
        artifacts.push(world.built_at(commit).await);
    }
    assert_eq!(world.withdraw_all().await, 6);
    let (one, other) = (world.collector(Duration::ZERO), world.collector(Duration::ZERO));
    let (first, second) = tokio::join!(one.pass(), other.pass());
    assert_eq!(first.unwrap() + second.unwrap(), 6);
    for artifact in artifacts {
        assert_eq!(world.copies(&artifact).await, 0);
    }
}
