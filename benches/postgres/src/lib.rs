//! The Postgres that all sides of a bench share, SQL by `psql`, which none of them uses, and what the server costs.
//!
//! It runs with the defaults of Debian's package, so that every commit reaches the disk, and ends with whoever holds it.

mod cost;

pub use cost::{cpu_seconds, own_cpu_seconds};

use anyhow::{Context as _, ensure};
use bench_harness::Scratch;
use local_services::Postgres;
use std::path::Path;
use tokio::process::Command;

/// What a run's databases may take, in bytes.
const ROOM: u64 = 2_000_000_000;
/// The one database of a run.
const DATABASE: &str = "bench";

/// A server with one empty database. It ends, and its files are deleted, when this is dropped.
#[derive(Debug)]
pub struct Server {
    postgres: Postgres,
    url: String,
    scratch: Scratch,
}

impl Server {
    /// Starts one, with the defaults of Debian's Postgres.
    pub async fn start() -> anyhow::Result<Self> {
        let scratch = Scratch::new(ROOM)?;
        let postgres = Postgres::start(&scratch.path().join("postgres")).await?;
        postgres.create_database(DATABASE).await?;
        Ok(Self {
            url: postgres.url(DATABASE),
            postgres,
            scratch,
        })
    }

    /// Its database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One more empty database; its URL.
    pub async fn database(&self, name: &str) -> anyhow::Result<String> {
        self.postgres.create_database(name).await?;
        Ok(self.postgres.url(name))
    }

    /// A folder that is deleted with the server.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The server's first process.
    pub fn id(&self) -> anyhow::Result<u32> {
        self.postgres.id().context("the server has ended")
    }

    /// Runs statements and returns what the last one printed.
    pub async fn sql(&self, statements: &str) -> anyhow::Result<String> {
        let output = self
            .psql(statements)
            .output()
            .await
            .context("failed to start psql")?;
        ensure!(
            output.status.success(),
            "psql: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// A number that a query returns.
    pub async fn number(&self, query: &str) -> anyhow::Result<f64> {
        let text = self.sql(query).await?;
        text.parse().with_context(|| format!("{query} returned {text:?}"))
    }

    /// `psql` on the database, ready to be started; killed when it is dropped.
    pub fn psql(&self, statements: &str) -> Command {
        let mut command = Command::new("psql");
        command
            .args([
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--set=ON_ERROR_STOP=1",
            ])
            .arg("--dbname")
            .arg(&self.url)
            .arg("--command")
            .arg(statements)
            .kill_on_drop(true);
        command
    }
}
