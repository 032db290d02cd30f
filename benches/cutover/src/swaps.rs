//! Swaps, kills and take-overs under load.

use crate::load::{Load, Protocol, Summary};
use crate::processes::{listens, start};
use crate::report;
use crate::side::{control_socket, start_ours};
use crate::steer::point;
use crate::task::become_release;
use bench_harness::{Plan, Scratch};
use local_services::{Child, free_port};
use proxy_control::Client;
use std::path::Path;
use std::time::Duration;

/// How large a run is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    rate: u32,
    requests: u64,
    /// Between two swaps.
    pause: Duration,
}

impl Size {
    /// Both protocols together come to three million requests and more than a thousand swaps.
    pub fn of(plan: &Plan) -> Self {
        let (rate, requests) = if plan.quick {
            (2_000, 20_000)
        } else {
            (5_000, 1_500_000)
        };
        Self {
            rate,
            requests,
            pause: Duration::from_millis(100),
        }
    }

    pub fn seconds(self) -> u64 {
        self.requests.div_ceil(self.rate.into())
    }
}

const CLIENTS: u32 = 50;
/// How often the steering process is killed.
const KILL_PERIOD: Duration = Duration::from_secs(2);
/// How often a new proxy takes over: at every third kill.
const KILLS_A_TAKE_OVER: u64 = 3;

/// What happened while the load was sent.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub load: Summary,
    pub swaps: u64,
    /// Who was killed, and how often.
    pub killed: &'static str,
    pub kills: u64,
    pub take_overs: u64,
}

pub async fn measure(plan: &Plan, case: &str, protocol: Protocol) -> anyhow::Result<()> {
    let scratch = Scratch::new(0)?;
    let outcome = run(scratch.path(), Size::of(plan), protocol).await?;
    report::swaps(plan, case, &outcome)
}

async fn run(folder: &Path, size: Size, protocol: Protocol) -> anyhow::Result<Outcome> {
    let ports = [free_port()?, free_port()?];
    let mut tasks = Vec::new();
    for port in ports {
        let mut task = start(folder, "task", &[port.to_string()])?;
        listens(&mut task, port).await?;
        tasks.push(task);
    }
    let mut proxies = vec![start_ours(folder).await?];
    let client = Client::new(control_socket(folder));
    let stable_port = free_port()?;
    become_release(ports[0], 1).await?;
    client.point(point(stable_port, ports[0], 1)).await?;

    let load = Load {
        port: stable_port,
        protocol,
        clients: CLIENTS,
        rate: size.rate,
        seconds: size.seconds(),
    };
    let mut loading = Box::pin(load.run(folder));
    let arguments = [
        client.socket().display().to_string(),
        size.pause.as_millis().to_string(),
        ports[0].to_string(),
        ports[1].to_string(),
    ];
    let (mut kills, mut take_overs) = (0, 0);
    let load = loop {
        let steering = start(folder, "steer", &arguments)?;
        tokio::select! {
            load = &mut loading => break load?,
            () = tokio::time::sleep(KILL_PERIOD) => {}
        }
        if kills % KILLS_A_TAKE_OVER == 0 {
            // While swaps go on.
            proxies.push(start_ours(folder).await?);
            take_overs += 1;
            reap(&mut proxies);
        }
        steering.kill().await?;
        kills += 1;
    };
    let status = client.status().await?;
    let newest = status.first().map_or(1, |status| status.point.active.release.0);
    Ok(Outcome {
        load,
        swaps: u64::try_from(newest - 1)?,
        killed: "the steering process",
        kills,
        take_overs,
    })
}

/// Forgets the proxies that have ended, as each but the newest does.
fn reap(proxies: &mut Vec<Child>) {
    proxies.retain_mut(|proxy| proxy.still_runs().is_ok());
}
