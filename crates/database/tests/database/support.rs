//! One real server for the whole run, and a fresh database for each test.

use database::builds::{Artifact, NewDeployment};
use database::jobs::{Claim, Heartbeat, LogRead, LogSlice, NewBuild};
use database::{Builds, Jobs, Limits};
use local_services::{Gate, Postgres};
use model::repository::{LocalRepositories, RepositoryUrl};
use model::{Actor, ArtifactId, BuildId, LeaseId, Priority, RegionName, ServiceName, WorkerName};
use sqlx::PgPool;
use std::ops::Deref;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long no test may ever take.
const TEST_LIMIT: Duration = Duration::from_secs(120);
/// The window that tests reap with: nothing becomes stale within it unless a test makes it so.
pub const WINDOW: Duration = Duration::from_secs(600);

/// Every test runs on this; connections of one test never serve another.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
});
static SERVER: LazyLock<Server> = LazyLock::new(server_on_its_own_thread);
static DATABASES: AtomicU32 = AtomicU32::new(0);

struct Server {
    postgres: Postgres,
    // Held while the server's folder is ours.
    _lock: std::fs::File,
}

/// A server in the first folder that no other test process uses, emptied first.
async fn start_server() -> Server {
    for slot in 0..64 {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("database-{slot}"));
        let lock = std::fs::File::create(folder.with_extension("lock")).unwrap();
        if lock.try_lock().is_err() {
            continue;
        }
        let _ = std::fs::remove_dir_all(&folder);
        let postgres = Postgres::start(&folder).await.unwrap();
        let admin = PgPool::connect(&postgres.url("postgres")).await.unwrap();
        // Nothing here outlives the run, so nothing needs to reach the disk.
        for statement in ["ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"] {
            sqlx::query(statement).execute(&admin).await.unwrap();
        }
        admin.close().await;
        return Server {
            postgres,
            _lock: lock,
        };
    }
    panic!("every folder for a test server is in use");
}

/// The kernel ends the server when the thread that started it ends, so that thread never does.
fn server_on_its_own_thread() -> Server {
    let (started, server) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        started.send(runtime.block_on(start_server())).unwrap();
        runtime.block_on(std::future::pending::<()>());
    });
    server.recv().unwrap()
}

/// The name and address of a database that nobody used before.
async fn fresh_database() -> (String, String) {
    let name = format!("test{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    SERVER.postgres.create_database(&name).await.unwrap();
    let url = SERVER.postgres.url(&name);
    (name, url)
}

fn limits() -> Limits {
    Limits {
        connections_max: 8,
        ..Limits::default()
    }
}

/// A jobs database with the repository `here`, and a way around its methods.
pub struct TestJobs {
    jobs: Jobs,
    name: String,
    pub sql: PgPool,
}

impl Deref for TestJobs {
    type Target = Jobs;

    fn deref(&self) -> &Jobs {
        &self.jobs
    }
}

/// Runs a test on a fresh jobs database.
pub fn on_jobs(test: impl AsyncFnOnce(&TestJobs)) {
    RUNTIME.block_on(async {
        let (name, url) = fresh_database().await;
        let jobs = Jobs::connect(&url, limits()).await.unwrap();
        jobs.migrate().await.unwrap();
        let repository = "here".parse().unwrap();
        jobs.register_repository(&repository, &repository_url("file:///srv/here"), &actor())
            .await
            .unwrap();
        let sql = PgPool::connect(&url).await.unwrap();
        let database = TestJobs { jobs, name, sql };
        tokio::time::timeout(TEST_LIMIT, test(&database)).await.unwrap();
    });
}

/// A builds database with regions `east` and `west` and the service `web`.
pub struct TestBuilds {
    builds: Builds,
    pub sql: PgPool,
}

impl Deref for TestBuilds {
    type Target = Builds;

    fn deref(&self) -> &Builds {
        &self.builds
    }
}

/// Runs a test on a fresh builds database.
pub fn on_builds(test: impl AsyncFnOnce(&TestBuilds)) {
    RUNTIME.block_on(async {
        let (_, url) = fresh_database().await;
        let builds = Builds::connect(&url, limits()).await.unwrap();
        builds.migrate().await.unwrap();
        for name in ["east", "west"] {
            builds.upsert_region(&region(name)).await.unwrap();
        }
        let spec = serde_json::json!({ "target": "//web:web", "command": ["bin/web"] });
        let spec = serde_json::from_value(spec).unwrap();
        builds.put_service(&service(), &spec, &actor()).await.unwrap();
        let sql = PgPool::connect(&url).await.unwrap();
        let database = TestBuilds { builds, sql };
        tokio::time::timeout(TEST_LIMIT, test(&database)).await.unwrap();
    });
}

pub fn actor() -> Actor {
    "ada@example.org".parse().unwrap()
}

pub fn repository_url(text: &str) -> RepositoryUrl {
    RepositoryUrl::parse(text, LocalRepositories::Allowed).unwrap()
}

pub fn region(name: &str) -> RegionName {
    name.parse().unwrap()
}

pub fn service() -> ServiceName {
    "web".parse().unwrap()
}

pub fn worker(name: &str) -> WorkerName {
    name.parse().unwrap()
}

/// A request for the commit whose digits spell `number`.
pub fn new_build(number: u32) -> NewBuild {
    NewBuild {
        repository: "here".parse().unwrap(),
        revision: "main".parse().unwrap(),
        commit: format!("{number:040x}").parse().unwrap(),
        target: "//web:web".parse().unwrap(),
        version: None,
        actor: actor(),
        force: false,
        deadline: Duration::from_secs(900),
        priority: Priority::Normal,
        supersede: false,
    }
}

pub fn beat(name: &str, leases: &[LeaseId]) -> Heartbeat {
    Heartbeat {
        worker: worker(name),
        version: "0.1.0".to_owned(),
        host: "here".to_owned(),
        capacity: 2,
        leases: leases.to_vec(),
    }
}

/// What build `number` of the builds database's tests made.
pub fn artifact(number: u8) -> Artifact {
    Artifact {
        id: ArtifactId([number; 32]),
        build: BuildId(uuid::Uuid::from_u128(number.into())),
        repository: "here".parse().unwrap(),
        commit: format!("{number:040x}").parse().unwrap(),
        target: "//web:web".parse().unwrap(),
        total_bytes: 1_000,
    }
}

pub fn new_deployment(artifact: &Artifact) -> NewDeployment {
    NewDeployment {
        service: service(),
        build: artifact.build,
        artifact: artifact.id,
        actor: actor(),
        configuration: None,
        selector: model::Selector::default(),
        policy: model::RolloutPolicy::default(),
        when_busy: model::WhenBusy::Supersede,
        automatic: false,
        version: None,
        break_glass: None,
    }
}

impl TestJobs {
    /// Enqueues build `number` and claims it.
    pub async fn claimed(&self, number: u32, name: &str) -> Claim {
        let build = self.enqueue(&new_build(number)).await.unwrap().build.id;
        let claim = self.claim(&worker(name)).await.unwrap().unwrap();
        assert_eq!(claim.build, build, "an older build waits");
        claim
    }

    /// The same database by way of a gate, asked by somebody who loses his patience soon.
    pub async fn behind_gate(&self, folder: &Path) -> (Gate, Jobs) {
        let (gate, url) = SERVER.postgres.behind_gate(&self.name, folder).await.unwrap();
        let limits = Limits {
            answer_timeout_ms: 2_000,
            ..limits()
        };
        (gate, Jobs::connect(&url, limits).await.unwrap())
    }

    /// Lets the reaper believe that it has reached the database for long.
    pub async fn reaper_is_present(&self) {
        self.run(
            "INSERT INTO reaper (last_seen_at, present_since)
             VALUES (clock_timestamp(), clock_timestamp() - interval '1 day')
             ON CONFLICT (only_row) DO UPDATE
             SET last_seen_at = excluded.last_seen_at, present_since = excluded.present_since",
        )
        .await;
    }

    /// Makes every claim and heartbeat of a worker an hour old.
    pub async fn silence(&self, name: &str) {
        for statement in [
            "UPDATE heartbeats SET beat_at = beat_at - interval '1 hour' WHERE worker = $1",
            "UPDATE leases SET claimed_at = claimed_at - interval '1 hour' WHERE worker = $1",
        ] {
            sqlx::query(statement)
                .bind(name)
                .execute(&self.sql)
                .await
                .unwrap();
        }
    }

    /// Moves the end of a build's rest into the past, if it rests.
    pub async fn rest_is_over(&self, build: BuildId) {
        sqlx::query(
            "UPDATE queue SET rests_until = now() - interval '1 s' WHERE build = $1 AND rests_until IS NOT NULL",
        )
        .bind(build.0)
        .execute(&self.sql)
        .await
        .unwrap();
    }

    /// Moves a build's deadline into the past.
    pub async fn expire(&self, build: BuildId) {
        for statement in [
            "UPDATE queue SET expires_at = now() - interval '1 s' WHERE build = $1",
            "UPDATE leases SET expires_at = now() - interval '1 s' WHERE build = $1",
        ] {
            sqlx::query(statement)
                .bind(build.0)
                .execute(&self.sql)
                .await
                .unwrap();
        }
    }

    pub async fn run(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.sql).await.unwrap();
    }
}

impl TestBuilds {
    pub async fn run(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.sql).await.unwrap();
    }

    /// Records artifact `number`, its replicas verified everywhere.
    pub async fn verified(&self, number: u8) -> Artifact {
        let artifact = artifact(number);
        self.record_artifact(&artifact).await.unwrap();
        for name in ["east", "west"] {
            self.replica_verified(&artifact.id, &region(name)).await.unwrap();
        }
        artifact
    }
}

/// A part of a log that has not left the database.
pub async fn log_here(jobs: &Jobs, build: BuildId, from: i64, max_bytes: usize) -> LogSlice {
    match jobs.log(build, from, max_bytes).await.unwrap() {
        LogRead::Here(slice) => slice,
        LogRead::Archived(archive) => panic!("the log has left: {archive:?}"),
    }
}
