//! What a service's tasks write on one host.

use crate::api_client::{ApiClient, Error};
use crate::commands::Session;
use crate::output::Form;
use clap::Args;
use console::wire::TaskLog;
use model::task_log::{LOG_TAIL_LINES_MAX, LOG_WAIT_MS_MAX};
use model::{HostName, RegionName, ServiceName};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a follower bears with a region or host that does not answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pause after such a failure.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// Which output of a service's.
#[derive(Debug, Args)]
#[group(id = "task-log")]
pub struct Options {
    /// Print what the service's tasks write on this host.
    #[arg(long, conflicts_with = "search")]
    pub host: Option<HostName>,
    /// The host's region, where several regions have a host of that name.
    #[arg(long, requires = "host")]
    region: Option<RegionName>,
    /// Which release's output; the newest, and with --follow those that come after it, unless it is named.
    #[arg(long, requires = "host", value_name = "NUMBER")]
    release: Option<i64>,
    /// With how many of the last lines to begin.
    #[arg(long, requires = "host", default_value_t = 200, value_name = "LINES",
          value_parser = clap::value_parser!(u32).range(0..=i64::from(LOG_TAIL_LINES_MAX)))]
    tail: u32,
}

/// From where the next part is read.
#[derive(Debug, Clone, Copy)]
enum Start {
    Tail(u32),
    At { release: i64, place: u64 },
}

pub async fn run(
    service: &ServiceName,
    host: &HostName,
    options: &super::Options,
    session: &Session,
) -> anyhow::Result<ExitCode> {
    let mut reader = Reader {
        service,
        host,
        region: options.task.region.clone(),
        release: options.task.release,
    };
    let mut start = Start::Tail(options.task.tail);
    loop {
        let log = reader.read(&session.api, start, options.follow).await?;
        print(&log, session)?;
        reader.region = Some(log.region);
        let part = log.part;
        let read = part.next == part.end;
        if read && !options.follow {
            return Ok(ExitCode::SUCCESS);
        }
        let moves_on = read && options.task.release.is_none() && part.newest > part.release;
        start = if moves_on {
            anstream::eprintln!("--- release {} was started here ---", part.newest);
            Start::At {
                release: part.newest.0,
                place: 0,
            }
        } else {
            Start::At {
                release: part.release.0,
                place: part.next,
            }
        };
    }
}

fn print(log: &TaskLog, session: &Session) -> anyhow::Result<()> {
    let mut output = anstream::stdout();
    if session.form == Form::Json {
        serde_json::to_writer(&mut output, log)?;
        output.write_all(b"\n")?;
    } else {
        if log.part.gone_bytes > 0 {
            anstream::eprintln!("--- {} bytes of older output are gone ---", log.part.gone_bytes);
        }
        output.write_all(log.part.text.as_bytes())?;
    }
    Ok(output.flush()?)
}

/// Reads one host's output.
#[derive(Debug)]
struct Reader<'a> {
    service: &'a ServiceName,
    host: &'a HostName,
    region: Option<RegionName>,
    release: Option<i64>,
}

impl Reader<'_> {
    /// The next part. A follower is not put off by a region or host that is silent for a while.
    async fn read(&self, api: &ApiClient, start: Start, follow: bool) -> Result<TaskLog, Error> {
        let path = self.path(start);
        let until = Instant::now() + PATIENCE;
        loop {
            match api.get(&path).await {
                Err(error) if follow && passes(&error) && Instant::now() < until => {
                    anstream::eprintln!("--- {error}; trying again ---");
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                answer => return answer,
            }
        }
    }

    /// Names are made of letters, digits and a few signs that stand for themselves in an address.
    fn path(&self, start: Start) -> String {
        let mut path = format!("/v1/services/{}/log?host={}", self.service, self.host);
        let mut say = |name: &str, value: &dyn std::fmt::Display| path.push_str(&format!("&{name}={value}"));
        if let Some(region) = &self.region {
            say("region", region);
        }
        match start {
            Start::Tail(lines) => {
                if let Some(release) = &self.release {
                    say("release", release);
                }
                say("tail", &lines);
            }
            Start::At { release, place } => {
                say("release", &release);
                say("from", &place);
                say("wait_ms", &LOG_WAIT_MS_MAX);
            }
        }
        path
    }
}

/// Whether an error may be over in a moment.
fn passes(error: &Error) -> bool {
    match error {
        Error::Refused(refusal) => refusal.status >= 500,
        Error::Unreachable { .. } => true,
        _ => false,
    }
}
