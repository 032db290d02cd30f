//! `starling logs`.

use super::Session;
use crate::api_client::{ApiClient, Error};
use clap::Args;
use console::wire::BuildDetail;
use model::BuildId;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

/// The most requests in one reading, so that a log that grows as fast as it is read cannot hold us.
const READS_MAX: usize = 64;

/// Arguments of `starling logs`.
#[derive(Debug, Args)]
pub struct Options {
    /// Which build.
    build: BuildId,
    /// Go on until the build has ended.
    #[arg(long, short)]
    follow: bool,
}

/// Reads a log onwards from where the last reading ended.
#[derive(Debug)]
pub struct Tail {
    build: BuildId,
    next: i64,
    finished: bool,
}

impl Tail {
    /// From the beginning.
    pub fn new(build: BuildId) -> Self {
        Self {
            build,
            next: 0,
            finished: false,
        }
    }

    /// What came since the last call.
    pub async fn read(&mut self, api: &ApiClient) -> Result<Vec<u8>, Error> {
        let mut read = Vec::new();
        for _ in 0..READS_MAX {
            let (bytes, next, finished) = api.log(self.build, self.next).await?;
            let ended = bytes.is_empty();
            read.extend(bytes);
            (self.next, self.finished) = (next, finished);
            if ended || finished {
                break;
            }
        }
        Ok(read)
    }
}

pub async fn run(options: &Options, session: &Session) -> anyhow::Result<ExitCode> {
    let mut tail = Tail::new(options.build);
    let mut output = anstream::stdout();
    loop {
        // Asked for before the log, so that a terminal state means that nothing more is coming.
        let detail: BuildDetail = session.api.get(&format!("/v1/builds/{}", options.build)).await?;
        output.write_all(&tail.read(&session.api).await?)?;
        output.flush()?;
        if tail.finished || !options.follow || detail.build.state.is_terminal() {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
