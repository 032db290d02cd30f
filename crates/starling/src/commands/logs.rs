//! `starling logs`: what builds and tasks write.

mod task;

use super::Session;
use super::follow::follow;
use crate::api_client::{ApiClient, Error};
use anyhow::Context as _;
use clap::Args;
use console::wire::{LogSearch, LogText};
use model::BuildId;
use std::io::Write as _;
use std::process::ExitCode;

/// The most requests in one reading, so that a log that grows as fast as it is read cannot hold us.
const READS_MAX: usize = 64;
/// The most requests of one search, each of which names at most some hundred lines.
const SEARCHES_MAX: usize = 256;

/// Arguments of `starling logs`.
#[derive(Debug, Args)]
pub struct Options {
    /// Which build; with --host, which service.
    #[arg(value_name = "BUILD|SERVICE")]
    of: String,
    /// Go on until the build has ended; a service's output until Ctrl-C.
    #[arg(long, short, conflicts_with = "search")]
    follow: bool,
    /// Print only the lines that hold this text, with their numbers. In any case unless it has capital
    /// letters.
    #[arg(long, short, value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    task: task::Options,
}

/// Reads a log onwards from where the last reading ended.
#[derive(Debug)]
pub struct Tail {
    build: BuildId,
    next: i64,
}

impl Tail {
    /// From the beginning.
    pub fn new(build: BuildId) -> Self {
        Self { build, next: 0 }
    }

    /// The byte at which it goes on.
    pub fn next(&self) -> i64 {
        self.next
    }

    /// What came since the last call.
    pub async fn read(&mut self, api: &ApiClient) -> Result<Vec<u8>, Error> {
        let mut read = Vec::new();
        for _ in 0..READS_MAX {
            let (bytes, next, finished) = api.log(self.build, self.next).await?;
            let ended = bytes.is_empty();
            read.extend(bytes);
            self.next = next;
            if ended || finished {
                break;
            }
        }
        Ok(read)
    }

    /// What came with an event that ends at `end`. Events hold text, so bytes that are none are read again.
    pub async fn heard(&mut self, api: &ApiClient, log: LogText, end: i64) -> Result<Vec<u8>, Error> {
        if end <= self.next {
            return Ok(Vec::new());
        }
        if log.from == self.next && !log.text.contains(char::REPLACEMENT_CHARACTER) {
            self.next = end;
            return Ok(log.text.into_bytes());
        }
        self.read(api).await
    }
}

pub async fn run(options: &Options, session: &Session) -> anyhow::Result<ExitCode> {
    if let Some(host) = &options.task.host {
        let service = options.of.parse().context("with --host, name a service")?;
        return task::run(&service, host, options, session).await;
    }
    let build = options.of.parse();
    let build: BuildId = build.context("name a build, or a service and with --host one of its hosts")?;
    if let Some(text) = &options.search {
        return search(build, text, session).await;
    }
    let mut output = anstream::stdout();
    if options.follow {
        follow(&session.api, build, &mut output).await?;
    } else {
        output.write_all(&Tail::new(build).read(&session.api).await?)?;
        output.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks until the whole log was searched. As with `grep`, finding nothing is a failure.
async fn search(build: BuildId, text: &str, session: &Session) -> anyhow::Result<ExitCode> {
    let mut place = None;
    let mut found = LogSearch {
        matches: Vec::new(),
        next: None,
    };
    for _ in 0..SEARCHES_MAX {
        let part = session.api.search_log(build, text, place.as_deref()).await?;
        found.matches.extend(part.matches);
        place = part.next;
        if place.is_none() {
            break;
        }
    }
    found.next = place;
    session.form.print(&found, |found| {
        let lines = found
            .matches
            .iter()
            .map(|each| format!("{:>7} {}", each.line, each.text));
        lines.collect::<Vec<_>>().join("\n")
    })?;
    Ok(if found.matches.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
