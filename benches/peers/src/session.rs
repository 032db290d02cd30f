//! One program's seed and hosts, from the start to the last byte.

use crate::Tracker;
use anyhow::{Context as _, bail};
use bench_network::Node;
use local_services::Child;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a seed may take to look at its content and to tell the tracker of itself.
const SEED_LIMIT: Duration = Duration::from_secs(120);

/// What is to be brought from where to where.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Who has the content; this process is in its namespace.
    pub seed: &'a Node,
    /// Who wants it.
    pub hosts: &'a [Node],
    /// The content: one file, alone in its folder.
    pub content: &'a Path,
    /// Its description for BitTorrent; see [`make_torrent`](crate::make_torrent).
    pub torrent: &'a Path,
    /// Where those that speak BitTorrent find each other; the torrent names it.
    pub tracker: &'a Tracker,
    /// Where the hosts' copies, logs and the like go; empty.
    pub folder: &'a Path,
}

impl Setting<'_> {
    /// A host's own folder, made when it is missing.
    pub(crate) fn folder_of(&self, node: &Node) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(&node.name);
        fs_err::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Where a node's processes write what they say.
    pub(crate) fn log_of(&self, node: &Node) -> PathBuf {
        self.folder.join(format!("{}.log", node.name))
    }

    /// The file whose presence says that a host has everything.
    pub(crate) fn mark_of(&self, node: &Node) -> PathBuf {
        self.folder.join(format!("{}.whole", node.name))
    }
}

/// How a host is made to begin.
#[derive(Debug)]
pub(crate) enum Start {
    /// It waits for this file to appear.
    File { from: PathBuf, to: PathBuf },
    /// Its process is started.
    Process {
        node: Node,
        program: PathBuf,
        arguments: Vec<OsString>,
        log: PathBuf,
    },
}

/// How it is seen that a host has everything.
#[derive(Debug)]
pub(crate) enum Whole {
    /// A file appears.
    File(PathBuf),
    /// Its log says so.
    Said { log: PathBuf, words: &'static str },
}

impl Whole {
    fn is_so(&self) -> bool {
        match self {
            Self::File(path) => path.exists(),
            Self::Said { log, words } => fs_err::read(log).is_ok_and(|text| {
                // A log may hold anything.
                String::from_utf8_lossy(&text).contains(words)
            }),
        }
    }
}

/// A program that is ready to bring the content to its hosts. Everything ends when it is dropped.
#[derive(Debug)]
pub struct Session {
    pub(crate) seed: Child,
    pub(crate) hosts: Vec<Child>,
    pub(crate) starts: Vec<Start>,
    pub(crate) whole: Vec<Whole>,
}

impl Session {
    /// Lets all hosts begin.
    ///
    /// # Errors
    /// When a process does not start.
    pub fn go(&mut self) -> anyhow::Result<()> {
        for start in self.starts.drain(..) {
            match start {
                Start::File { from, to } => fs_err::rename(from, to)?,
                Start::Process {
                    node,
                    program,
                    arguments,
                    log,
                } => self.hosts.push(node.start(&program, arguments, &log)?),
            }
        }
        Ok(())
    }

    /// Whether one of the hosts, by its number, has everything.
    pub fn is_whole(&self, host: usize) -> bool {
        self.whole[host].is_so()
    }

    /// The seed's process.
    pub fn seed_processes(&self) -> Vec<u32> {
        self.seed.id().into_iter().collect()
    }

    /// The hosts' processes.
    pub fn host_processes(&self) -> Vec<u32> {
        self.hosts.iter().filter_map(Child::id).collect()
    }
}

/// Waits for something that a seed does once it is ready.
pub(crate) async fn ready(what: &str, log: &Path, is_so: impl Fn() -> bool) -> anyhow::Result<()> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > SEED_LIMIT {
            let said = fs_err::read_to_string(log).context("it said nothing")?;
            bail!("{what} is not ready; it said: {said}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
