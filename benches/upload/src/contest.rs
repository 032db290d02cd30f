//! One run of one side: a process is started, and the clock runs until it ends.

use crate::side::Side;
use crate::stage::{KEY, Stage};
use anyhow::{Context as _, ensure};
use artifact_store::Verification;
use bench_harness::{MB, Spent, settle};
use bench_stores::{Command, Runner, StoreServer, arguments_of};
use std::path::Path;
use std::time::Duration;

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// From the process's beginning to its end.
    pub seconds: f64,
    /// Of the process and the store together.
    pub cpu_seconds: f64,
    /// Of the process.
    pub peak_rss_bytes: u64,
    /// Of the store.
    pub peak_rss_bytes_of_store: u64,
}

/// Sends the content to a new store, and sees that it is there.
pub async fn up(side: Side, stage: &Stage, limit: Duration) -> anyhow::Result<Outcome> {
    let folder = stage.path().join("run");
    let server = StoreServer::start(&folder).await?;
    let (content, copy) = (stage.content(), folder.join("copy"));
    let command = match side {
        Side::Ours => ourselves("up", [&server.endpoint(), text(&content)?, KEY])?,
        Side::Bare => ourselves("bare", [text(&content)?, text(&copy)?, "flushed"])?,
        Side::Other(tool) => tool.up(&server, &content, &format!("content/{KEY}"))?,
    };
    let spent = run(stage, command, &server, limit).await?;
    if side == Side::Bare {
        check_file(stage, &copy).await?;
    } else {
        let store = server.store()?;
        store.put_manifest(&stage.manifest).await?;
        let found = store.verify(&stage.manifest.signed.artifact()).await?;
        ensure!(
            found == Verification::Matches,
            "what arrived is something else: {found:?}"
        );
    }
    server.end().await?;
    Ok(told(side, &spent))
}

/// Fetches the content to a new file, and sees that it is the same.
pub async fn down(side: Side, stage: &Stage, limit: Duration) -> anyhow::Result<Outcome> {
    let server = stage.source.as_ref().context("the source has the content")?;
    let folder = stage.path().join("run");
    fs_err::create_dir(&folder)?;
    let file = folder.join("content");
    let artifact = stage.manifest.signed.artifact().to_string();
    let command = match side {
        Side::Ours => ourselves("down", [&server.endpoint(), &artifact, text(&folder)?])?,
        Side::Bare => ourselves("bare", [text(&stage.content())?, text(&file)?, "kept"])?,
        Side::Other(tool) => tool.down(server, &format!("content/{KEY}"), &file)?,
    };
    let spent = run(stage, command, server, limit).await?;
    check_file(stage, &file).await?;
    fs_err::remove_dir_all(&folder)?;
    Ok(told(side, &spent))
}

async fn run(
    stage: &Stage,
    command: Command,
    server: &StoreServer,
    limit: Duration,
) -> anyhow::Result<Spent> {
    settle();
    let log = stage.path().join("log");
    let runner = Runner { log: &log, limit };
    runner.run(command, [server.id()?]).await
}

/// This program, playing a part.
fn ourselves<const COUNT: usize>(part: &str, arguments: [&str; COUNT]) -> anyhow::Result<Command> {
    Ok(Command {
        program: std::env::current_exe()?,
        arguments: arguments_of(part, arguments),
        environment: Vec::new(),
    })
}

/// Whether a file is the content, by the hash that its manifest holds.
async fn check_file(stage: &Stage, file: &Path) -> anyhow::Result<()> {
    let file = file.to_owned();
    let hashing = tokio::task::spawn_blocking(move || {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(std::fs::File::open(file)?)?;
        std::io::Result::Ok(hasher.finalize())
    });
    let found = hashing.await??;
    let expected = stage.manifest.signed.unverified()?.content_hash();
    ensure!(found == expected, "what arrived has the hash {found}");
    Ok(())
}

fn told(side: Side, spent: &Spent) -> Outcome {
    let peak = |process: usize| spent.peak_rss_bytes.get(process).copied().unwrap_or(0);
    let outcome = Outcome {
        seconds: spent.seconds,
        cpu_seconds: spent.cpu_seconds,
        peak_rss_bytes: peak(0),
        peak_rss_bytes_of_store: peak(1),
    };
    eprintln!(
        "  {:<10} {:.2} s, {:.2} s of processor time with the store's, {:.0} MB",
        side.to_string(),
        outcome.seconds,
        outcome.cpu_seconds,
        outcome.peak_rss_bytes as f64 / MB
    );
    outcome
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the folder's name is UTF-8")
}
