//! A real Postgres and real stores.

use artifact::{BuildRun, FileEntry, Provenance, SigningKey};
use artifact_store::server::{self, Server};
use artifact_store::{ContentKey, Outputs, PartSender, Patience, Store, StoredManifest};
use controller::collector::{Collector, Schedule, Settings};
use database::builds::{Artifact, Inventory};
use database::jobs::{Claim, NewBuild};
use database::{Builds, Jobs, Limits};
use local_services::Postgres;
use model::repository::LocalRepositories;
use model::{ArtifactId, RegionName, RepositoryUrl};
use std::collections::BTreeMap;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Postgres, a main store, and those of two regions.
pub struct World {
    pub jobs: Jobs,
    pub builds: Builds,
    pub main: Store,
    pub regions: BTreeMap<RegionName, Store>,
    folder: TempDir,
    postgres: Postgres,
}

impl World {
    pub async fn new() -> Self {
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

    pub async fn claimed(&self, force: bool) -> Claim {
        self.claimed_at(0, force).await
    }

    pub async fn claimed_at(&self, commit: u32, force: bool) -> Claim {
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
    pub async fn built(&self) -> ArtifactId {
        self.built_at(0).await
    }

    pub async fn built_at(&self, commit: u32) -> ArtifactId {
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
    pub async fn succeed(&self, claim: Claim, id: ArtifactId, total_bytes: u64) {
        self.jobs
            .succeed(claim.build, claim.lease, &id, total_bytes)
            .await
            .unwrap();
        self.record(claim, id, total_bytes).await;
    }

    pub async fn record(&self, claim: Claim, id: ArtifactId, total_bytes: u64) {
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
    pub async fn removals_are_over(&self) {
        let sql = sqlx::PgPool::connect(&self.postgres.url("jobs")).await.unwrap();
        sqlx::query("UPDATE removals SET begun_at = begun_at - interval '1 hour'")
            .execute(&sql)
            .await
            .unwrap();
    }

    pub fn stores(&self) -> impl Iterator<Item = &Store> {
        std::iter::once(&self.main).chain(self.regions.values())
    }

    pub async fn withdraw_all(&self) -> usize {
        let all = |inventory: Inventory| inventory.artifacts.iter().map(|each| each.id).collect();
        let actor = "ada@example.org".parse().unwrap();
        self.builds.withdraw(&actor, all).await.unwrap().len()
    }

    pub fn collector(&self, settle: Duration) -> Collector {
        self.collector_of(self.main.clone(), settle)
    }

    pub fn collector_of(&self, main: Store, settle: Duration) -> Collector {
        self.collector_with(main, settle, None)
    }

    /// One that withdraws by itself.
    pub fn scheduled(&self, schedule: Schedule) -> Collector {
        self.collector_with(self.main.clone(), Duration::ZERO, Some(schedule))
    }

    fn collector_with(&self, main: Store, settle: Duration, schedule: Option<Schedule>) -> Collector {
        let settings = Settings {
            main,
            regions: self.regions.clone(),
            settle,
            schedule,
        };
        Collector::new(settings, self.jobs.clone(), self.builds.clone())
    }

    /// In how many stores the artifact is.
    pub async fn copies(&self, artifact: &ArtifactId) -> usize {
        let mut copies = 0;
        for store in self.stores() {
            copies += usize::from(store.get_manifest(artifact).await.unwrap().is_some());
        }
        copies
    }
}

pub fn config(endpoint: &str, bucket: &str) -> artifact_store::Config {
    artifact_store::Config {
        endpoint: Some(endpoint.to_owned()),
        signing_region: "us-east-1".to_owned(),
        bucket: bucket.to_owned(),
        access_key_id: "starling".to_owned(),
        secret_access_key: "murmuration".to_owned().into(),
    }
}

pub fn client(endpoint: &str, bucket: &str) -> Store {
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
    // An earlier test of this process may have installed it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let sender = PartSender::new(Patience::default()).unwrap();
    let (progress, stop) = (watch::Sender::new(0), CancellationToken::new());
    let uploaded = store
        .upload(&sender, &key, outputs, progress, stop)
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
