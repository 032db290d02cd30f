//! Our side: this program, started again to prepare, to work, to ask for builds or to say that it lives.

use anyhow::{Context as _, bail};
use database::jobs::{Claim, Ending, Finish, Heartbeat, Made, NewBuild};
use database::{Jobs, Limits};
use model::{ArtifactId, Priority, WorkerName};
use std::process::ExitCode;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// The first argument of a process that plays a part.
pub const FLAG: &str = "--part";
/// How long a worker waits that found nothing.
const PAUSE: Duration = Duration::from_millis(20);

/// The part that the command line gives us, if it does.
pub fn of_arguments() -> Option<Vec<String>> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == FLAG).then(|| arguments.collect())
}

/// Plays a part until the process is killed.
pub fn play(part: &[String]) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let played = runtime
        .context("failed to start the runtime")
        .and_then(|runtime| runtime.block_on(act(part)));
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn act(part: &[String]) -> anyhow::Result<()> {
    let [name, url, numbers @ ..] = part else {
        bail!("a part has a name and a database");
    };
    let numbers = numbers
        .iter()
        .map(|number| number.parse())
        .collect::<Result<Vec<u32>, _>>()?;
    match (name.as_str(), numbers.as_slice()) {
        ("prepare", []) => Ok(connect(url).await?.migrate().await?),
        ("work", [workers, batch]) => work(url, *workers, *batch).await,
        ("ask", [rate]) => ask(url, *rate).await,
        ("beat", [workers, every_seconds]) => beat(url, *workers, *every_seconds).await,
        _ => bail!("there is no part {name} of {} numbers", numbers.len()),
    }
}

/// With the connections that a role has unless it is told otherwise, however many work on them.
async fn connect(url: &str) -> anyhow::Result<Jobs> {
    Ok(Jobs::connect(url, Limits::default()).await?)
}

/// Waits for tasks that end only by an error.
async fn all(mut tasks: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

async fn work(url: &str, workers: u32, batch: u32) -> anyhow::Result<()> {
    let jobs = connect(url).await?;
    let mut tasks = JoinSet::new();
    for number in 0..workers {
        let jobs = jobs.clone();
        let name = format!("worker-{number}").parse()?;
        tasks.spawn(async move {
            if batch == 1 {
                one_by_one(&jobs, &name).await
            } else {
                together(&jobs, &name, batch).await
            }
        });
    }
    all(tasks).await
}

const MADE: Made = Made {
    artifact: ArtifactId([7; 32]),
    total_bytes: 1,
};

async fn one_by_one(jobs: &Jobs, name: &WorkerName) -> anyhow::Result<()> {
    loop {
        match jobs.claim(name).await? {
            Some(claim) => jobs.succeed_with(claim.build, claim.lease, Some(MADE)).await?,
            None => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn together(jobs: &Jobs, name: &WorkerName, batch: u32) -> anyhow::Result<()> {
    let done = |claim: &Claim| Finish {
        build: claim.build,
        lease: claim.lease,
        ending: Ending::Succeeded(Some(MADE)),
    };
    loop {
        let claims = jobs.claim_many(name, batch).await?;
        if claims.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        jobs.finish_many(&claims.iter().map(done).collect::<Vec<_>>())
            .await?;
    }
}

/// Asks for so many builds a second, each of another commit.
async fn ask(url: &str, rate: u32) -> anyhow::Result<()> {
    const ASKERS: u32 = 8;
    let jobs = connect(url).await?;
    let mut tasks = JoinSet::new();
    for asker in 0..ASKERS {
        let jobs = jobs.clone();
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1) * ASKERS / rate);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in 0_u64.. {
                ticks.tick().await;
                let commit = format!("{:040x}", number * u64::from(ASKERS) + u64::from(asker));
                jobs.enqueue(&NewBuild {
                    repository: "here".parse()?,
                    revision: "main".parse()?,
                    commit: commit.parse()?,
                    target: "//a:b".parse()?,
                    version: None,
                    actor: "bench".parse()?,
                    force: false,
                    deadline: Duration::from_secs(900),
                    priority: Priority::Normal,
                    supersede: false,
                })
                .await?;
            }
            Ok(())
        });
    }
    all(tasks).await
}

/// Says for so many workers that they live, each every so many seconds, evenly.
async fn beat(url: &str, workers: u32, every_seconds: u32) -> anyhow::Result<()> {
    const SPEAKERS: u32 = 8;
    let jobs = connect(url).await?;
    let mut tasks = JoinSet::new();
    for speaker in 0..SPEAKERS {
        let jobs = jobs.clone();
        tasks.spawn(async move {
            let own = workers / SPEAKERS;
            let mut ticks = tokio::time::interval(Duration::from_secs(every_seconds.into()) / own);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in (0..own).cycle() {
                ticks.tick().await;
                jobs.heartbeat(&Heartbeat {
                    worker: format!("worker-{speaker}-{number}").parse()?,
                    version: "0.1.0".to_owned(),
                    host: "here".to_owned(),
                    capacity: 4,
                    leases: Vec::new(),
                })
                .await?;
            }
            Ok(())
        });
    }
    all(tasks).await
}
