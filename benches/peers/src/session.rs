//! One program's seed and hosts, from the start to the last byte.

use crate::Tracker;
use anyhow::Context as _;
use bench_harness::{Meter, Race};
use bench_network::Node;
use local_services::Child;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a seed may take to look at its content and to tell the tracker of itself.
pub(crate) const SEED_LIMIT: Duration = Duration::from_secs(120);

/// What is to be brought from where to where.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Who has the content; this process is in its namespace.
    pub seed: &'a Node,
    /// Who wants it.
    pub hosts: &'a [Node],
    /// The content: one file, alone in its folder.
    pub content: &'a Path,
    /// Its description for BitTorrent; made by the first program that needs it.
    pub torrent: &'a Path,
    /// Where those that speak BitTorrent find each other; the torrent names it.
    pub tracker: &'a Tracker,
    /// Where the hosts' copies, logs and the like go; empty.
    pub folder: &'a Path,
}

impl Setting<'_> {
    /// The folder in which the seed has the content.
    pub(crate) fn content_folder(&self) -> &Path {
        self.content.parent().unwrap_or(Path::new("/"))
    }

    /// Waits until a seed has told the tracker of itself.
    pub(crate) async fn announced(&self, seed: &mut Child) -> anyhow::Result<()> {
        let known = || async { self.tracker.peers() > 0 };
        Ok(seed.wait_until(SEED_LIMIT, known).await?)
    }

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
    pub(crate) fn is_so(&self) -> bool {
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
    /// One whose hosts are still to come.
    pub(crate) const fn of(seed: Child) -> Self {
        Self {
            seed,
            hosts: Vec::new(),
            starts: Vec::new(),
            whole: Vec::new(),
        }
    }

    /// Adds a host.
    pub(crate) fn add(&mut self, start: Start, whole: Whole) {
        self.starts.push(start);
        self.whole.push(whole);
    }

    /// Lets all hosts begin, waits until each has everything, and ends all processes. The seed is the first of those
    /// that are watched, and the hosts follow.
    ///
    /// # Errors
    /// When a process does not start or ends early, or when a host has not everything in time. The error quotes what
    /// it said.
    pub async fn race(mut self, limit: Duration) -> anyhow::Result<Race> {
        let waiting = self.hosts.len();
        let mut meter = Meter::begin([&self.seed].into_iter().chain(&self.hosts).filter_map(Child::id));
        self.go()?;
        self.hosts[waiting..]
            .iter()
            .filter_map(Child::id)
            .for_each(|pid| meter.add(pid));
        let raced = meter
            .race(self.whole.len(), limit, |host| self.is_whole(host))
            .await
            .with_context(|| self.last_words());
        for child in self.hosts.into_iter().chain([self.seed]) {
            child.kill().await?;
        }
        raced
    }

    fn go(&mut self) -> anyhow::Result<()> {
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

    fn is_whole(&mut self, host: usize) -> anyhow::Result<bool> {
        if self.whole[host].is_so() {
            return Ok(true);
        }
        self.seed.still_runs()?;
        let running = self.hosts[host].still_runs();
        // It may have ended since, because it is done.
        Ok(self.whole[host].is_so() || running.map(|()| false)?)
    }

    /// The end of what the first host said that has not everything.
    fn last_words(&self) -> String {
        let unfinished = self
            .whole
            .iter()
            .zip(&self.hosts)
            .find(|(whole, _)| !whole.is_so());
        let said = unfinished.map(|(_, host)| host.tail()).unwrap_or_default();
        format!("not every host had everything; one said: {said:?}")
    }
}
