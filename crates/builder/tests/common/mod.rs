//! One worker with everything it needs, all of it real: Postgres, git, an S3 server, bubblewrap.

#![allow(dead_code, reason = "each test file uses a part of these")]
#![allow(clippy::unwrap_used)]

use artifact::SigningKey;
use artifact_store::server::{self, Server};
use artifact_store::{PartSender, Patience, Store};
use builder::{Config, Dependencies, LogLimits, PublishingApi, Service, Thresholds, reaper};
use database::jobs::{BuildRow, LogRead, NewBuild};
use database::{Builds, Jobs};
use local_services::Postgres;
use model::limits::Limits;
use model::repository::LocalRepositories;
use model::{BuildId, BuildState, ByteSize, Commit, RepositoryName, RepositoryUrl};
use repository_mirror::Mirrors;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tasks::sandbox::{Isolation, Sandbox};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Fixture {
    pub jobs: Jobs,
    pub store: Store,
    pub key: SigningKey,
    pub postgres: Option<Postgres>,
    pub store_address: SocketAddr,
    api: String,
    builds: Builds,
    mirrors: Mirrors,
    jobs_url: String,
    folder: TempDir,
    stop_servers: CancellationToken,
}

pub struct Running {
    pub stop: CancellationToken,
    pub task: JoinHandle<Result<(), builder::Error>>,
}

impl Fixture {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let postgres = Postgres::start(&folder.path().join("postgres")).await.unwrap();
        postgres.create_database("jobs").await.unwrap();
        postgres.create_database("builds").await.unwrap();
        let jobs_url = postgres.url("jobs");
        let limits = database::Limits::default();
        let jobs = Jobs::connect(&jobs_url, limits).await.unwrap();
        jobs.migrate().await.unwrap();
        let builds = Builds::connect(&postgres.url("builds"), limits).await.unwrap();
        builds.migrate().await.unwrap();
        let stop_servers = CancellationToken::new();
        let store_address = serve(folder.path().join("store"), stop_servers.clone()).await;
        let store = store_at(store_address);
        store.ensure_bucket().await.unwrap();
        let mirrors = Mirrors::new(folder.path().join("mirrors"), LocalRepositories::Allowed).await;
        let mut fixture = Self {
            jobs,
            store,
            store_address,
            key: SigningKey::generate([7; 32]),
            postgres: Some(postgres),
            api: String::new(),
            builds,
            mirrors: mirrors.unwrap(),
            jobs_url,
            folder,
            stop_servers,
        };
        fixture.api = fixture.serve_api(fixture.store.clone()).await;
        std::fs::create_dir(fixture.path("work")).unwrap();
        fixture.git(&["init", "--quiet", "--initial-branch=main"]);
        let actor = "engineer@example.org".parse().unwrap();
        let url = format!("file://{}", fixture.path("work").display());
        let url = RepositoryUrl::parse(&url, LocalRepositories::Allowed).unwrap();
        fixture
            .jobs
            .register_repository(&repository(), &url, &actor)
            .await
            .unwrap();
        fixture
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self, name: &str) -> Config {
        Config {
            name: name.parse().unwrap(),
            host: "here".to_owned(),
            version: "test".to_owned(),
            slots: 2,
            admission: no_pressure(),
            work_folder: self.path(name),
            caches_max: ByteSize::mebibytes(100),
            sandbox: sandbox(Vec::new()),
            limits: Limits::USUAL,
            limits_max: Limits::MOST,
            secrets: BTreeMap::new(),
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]),
            jobs_url: self.jobs_url.clone().into(),
            lease_window: Duration::from_secs(60),
            upload_timeout: Duration::from_secs(3_600),
            log: LogLimits {
                head_bytes: 100_000,
                tail_bytes: 10_000,
            },
            stop_grace: Duration::ZERO,
            poll_every: Duration::from_millis(500),
        }
    }

    pub fn start(&self, config: Config) -> Running {
        self.start_with(config, self.parts())
    }

    pub fn parts(&self) -> Dependencies {
        self.parts_at(&self.api)
    }

    /// What a worker has whose artifacts are published by the API at an address.
    pub fn parts_at(&self, api: &str) -> Dependencies {
        // An earlier test of this process may have installed it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Dependencies {
            jobs: self.jobs.clone(),
            publishing: PublishingApi::new(api, &WORKERS_TOKEN.to_owned().into()).unwrap(),
            sender: PartSender::new(Patience::default()).unwrap(),
            mirrors: self.mirrors.clone(),
        }
    }

    /// An API that publishes to a store; its address.
    pub async fn serve_api(&self, store: Store) -> String {
        let config = console::Config {
            tokens: vec![console::Token {
                name: "workers".parse().unwrap(),
                role: console::Role::Worker(None),
                hash: console::TokenHash::of(WORKERS_TOKEN),
            }],
            local_repositories: LocalRepositories::Allowed,
            secure_cookie: false,
            signing_key: self.key.clone(),
            retention: retention::Policy::default(),
            authorities: BTreeMap::new(),
            certificate_life: Duration::from_secs(3_600),
        };
        let parts = console::Parts {
            jobs: self.jobs.clone(),
            builds: self.builds.clone(),
            store,
            mirrors: self.mirrors.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = console::Service::new(config, listener, parts).unwrap();
        let address = service.local_addr().unwrap();
        tokio::spawn(service.run(self.stop_servers.clone()));
        format!("http://{address}")
    }

    pub fn start_with(&self, config: Config, parts: Dependencies) -> Running {
        let stop = CancellationToken::new();
        let service = Service::new(config, parts).unwrap();
        let task = tokio::spawn(service.run(stop.clone()));
        Running { stop, task }
    }

    pub fn start_reaper(&self, lease_window: Duration) -> CancellationToken {
        let stop = CancellationToken::new();
        let service = reaper::Service::new(reaper::Config { lease_window }, self.jobs.clone());
        tokio::spawn(service.run(stop.clone()));
        stop
    }

    /// Commits a `starling.toml`; other files are committed as they lie there.
    pub fn commit(&self, project: &str) -> Commit {
        std::fs::write(self.path("work/starling.toml"), project).unwrap();
        self.commit_all()
    }

    pub fn commit_all(&self) -> Commit {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "next"]);
        self.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.org",
                "-c",
                "commit.gpgSign=false",
            ])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .current_dir(self.path("work"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub async fn enqueue(&self, commit: &Commit, target: &str) -> BuildId {
        let new = self.new_build(commit, target);
        self.jobs.enqueue(&new).await.unwrap().build.id
    }

    pub fn new_build(&self, commit: &Commit, target: &str) -> NewBuild {
        NewBuild {
            repository: repository(),
            revision: "main".parse().unwrap(),
            commit: commit.clone(),
            target: target.parse().unwrap(),
            version: None,
            actor: "engineer@example.org".parse().unwrap(),
            force: false,
            deadline: Duration::from_secs(900),
            priority: model::Priority::Normal,
            supersede: false,
        }
    }

    /// Waits until the build is as `wanted` says, and shows it when it never is.
    pub async fn until(&self, build: BuildId, wanted: impl Fn(&BuildRow) -> bool) -> BuildRow {
        let wait = async {
            loop {
                let row = self.jobs.build(build).await.unwrap().unwrap();
                if wanted(&row) {
                    return row;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(row) => row,
            Err(_) => panic!(
                "it stays {:#?}\n{}",
                self.jobs.build(build).await,
                self.log(build).await
            ),
        }
    }

    pub async fn ended(&self, build: BuildId) -> BuildRow {
        self.until(build, |row| row.state.is_terminal()).await
    }

    /// Waits until the build is FAILED, and returns the reason.
    pub async fn failed(&self, build: BuildId) -> String {
        let row = self.ended(build).await;
        assert_eq!(row.state, BuildState::Failed, "{row:#?}");
        row.reason.unwrap()
    }

    pub async fn until_log_holds(&self, build: BuildId, text: &str) {
        let wait = async {
            while !self.log(build).await.contains(text) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap();
    }

    pub async fn log(&self, build: BuildId) -> String {
        match self.jobs.log(build, 0, 4 << 20).await.unwrap() {
            LogRead::Here(slice) => String::from_utf8_lossy(&slice.bytes).into_owned(),
            LogRead::Archived(archive) => panic!("the log has left: {archive:?}"),
        }
    }

    /// Waits until the worker's folder holds no attempt.
    pub async fn until_cleared(&self, worker: &str) {
        let attempts = self.path(worker).join("attempts");
        until(|| std::fs::read_dir(&attempts).unwrap().count() == 0).await;
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop_servers.cancel();
    }
}

pub fn repository() -> RepositoryName {
    "project".parse().unwrap()
}

/// The real sandbox, whose limits are watched: control groups have one owner, and tests are many.
pub fn sandbox(read_only: Vec<PathBuf>) -> Sandbox {
    Sandbox {
        isolation: Isolation::Bubblewrap { read_only },
        cgroups: None,
        disk_reserve: ByteSize(0),
    }
}

/// Never waits, whatever else this machine does.
fn no_pressure() -> Thresholds {
    Thresholds {
        cpu_percent: 100.0,
        memory_percent: 100.0,
        disk_free: ByteSize(0),
    }
}

/// A target `//:it` that runs a script and declares `out`.
pub fn project(script: &str) -> String {
    format!("[targets.\"//:it\"]\ncommand = [\"sh\", \"-c\", '''{script}''']\noutputs = [\"out\"]\n")
}

const WORKERS_TOKEN: &str = "a-secret-of-all-workers";
const ACCESS_KEY_ID: &str = "starling";
const SECRET_ACCESS_KEY: &str = "murmuration";

/// A server whose bytes are in a folder.
pub async fn serve(root: PathBuf, stop: CancellationToken) -> SocketAddr {
    let server = Server::bind(server::Config {
        root,
        listen: "127.0.0.1:0".parse().unwrap(),
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SECRET_ACCESS_KEY.to_owned().into(),
    });
    let server = server.await.unwrap();
    let address = server.local_addr();
    tokio::spawn(server.run(stop));
    address
}

/// The main store, by way of an address.
pub fn store_at(address: SocketAddr) -> Store {
    let store = Store::connect(&artifact_store::Config {
        endpoint: Some(format!("http://{address}")),
        signing_region: "us-east-1".to_owned(),
        bucket: "main".to_owned(),
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SECRET_ACCESS_KEY.to_owned().into(),
    });
    store.unwrap()
}

/// Waits until no process on this machine has `marker` among its arguments.
pub async fn gone(marker: &str) {
    until(|| !alive(marker)).await;
}

pub fn alive(marker: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap();
    let mut lines = processes.filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).contains(marker))
}

pub async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the condition never came true");
}

/// A number of seconds that no other test sleeps, so that its process is found by it.
pub fn unlikely_seconds() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "8{:07}{:02}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}
