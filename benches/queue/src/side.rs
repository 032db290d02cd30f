//! Whose queue it is, and how each is asked for its best.

use crate::server::Server;
use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use std::process::Stdio;
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

    /// Its program, which is asked to `prepare` or to `work`.
    fn program(self) -> anyhow::Result<Command> {
        let rivals = Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals");
        let tools = tools()?;
        let (interpreter, script) = match self {
            Self::Ours => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(crate::part::FLAG);
                return Ok(command);
            }
            Self::GraphileWorker => ("node", "graphile_worker.mjs"),
            Self::PgBoss => ("node", "pg_boss.mjs"),
            Self::PgQueuer => ("python", "pgqueuer_side.py"),
            Self::Procrastinate => ("python", "procrastinate_side.py"),
        };
        let interpreter = tools.join("python/bin").join(interpreter);
        ensure!(interpreter.exists(), "it is not installed");
        let script = rivals.join(script);
        let mut command = Command::new(interpreter);
        if self == Self::GraphileWorker || self == Self::PgBoss {
            // Node looks for packages beside the script, wherever it is started.
            let beside = tools.join("node").join(script.file_name().unwrap_or_default());
            std::fs::copy(&script, &beside).context("its packages are not installed")?;
            command.arg(beside);
        } else {
            command.arg(script);
        }
        Ok(command)
    }

    /// Makes its tables and fills them with jobs.
    pub async fn prepare(self, server: &Server, jobs: u32) -> anyhow::Result<()> {
        let mut command = self.program()?;
        command.arg("prepare").arg(server.url()).kill_on_drop(true);
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
    pub fn work(self, server: &Server, load: Load) -> anyhow::Result<tokio::process::Child> {
        let mut command = self.program()?;
        command
            .arg("work")
            .arg(server.url())
            .args([load.workers.to_string(), load.batch.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        Ok(command.spawn()?)
    }
}
