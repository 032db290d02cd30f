//! Whoever steers the proxy, as an agent does: it makes green ready, points at it, waits until blue has drained, and
//! begins again with the roles changed. Killed at any moment, it goes on from what the proxy says.

use crate::processes::{argument, runtime};
use crate::task::become_release;
use model::{ReleaseNumber, ServiceName};
use proxy_control::{Client, Point, Protocol, Target};
use std::path::PathBuf;
use std::time::Duration;

/// How often it is asked whether blue has drained.
const DRAIN_PERIOD: Duration = Duration::from_millis(2);

/// The service of all cases.
pub fn service() -> ServiceName {
    "web".parse().expect("web is a name")
}

/// Where requests go.
pub fn point(stable_port: u16, port: u16, release: i64) -> Point {
    Point {
        service: service(),
        stable_port,
        active: Target {
            port,
            release: ReleaseNumber(release),
        },
        protocol: Protocol::Http1,
        split: Vec::new(),
        sticky: None,
    }
}

/// Arguments: the control socket, the pause between two swaps in milliseconds, and the ports of both tasks.
pub fn play(arguments: &[String]) -> anyhow::Result<()> {
    let socket: PathBuf = argument(arguments, 0)?;
    let pause = Duration::from_millis(argument(arguments, 1)?);
    let ports: [u16; 2] = [argument(arguments, 2)?, argument(arguments, 3)?];
    runtime()?.block_on(async {
        let client = Client::new(socket);
        loop {
            swap(&client, ports).await?;
            tokio::time::sleep(pause).await;
        }
    })
}

async fn swap(client: &Client, ports: [u16; 2]) -> anyhow::Result<()> {
    let services = client.status().await?;
    let Some(status) = services.first() else {
        anyhow::bail!("the proxy knows no service");
    };
    let blue = status.point.active;
    // An earlier one may have been killed before green, as blue then, had drained.
    let green = ports[usize::from(blue.port == ports[0])];
    for of in &status.targets {
        if of.target.port == green {
            drained(client, of.target).await?;
        }
    }
    let release = blue.release.0 + 1;
    become_release(green, release).await?;
    client
        .point(point(status.point.stable_port, green, release))
        .await?;
    drained(client, blue).await
}

async fn drained(client: &Client, target: Target) -> anyhow::Result<()> {
    while client.drain(service(), target, 10_000).await? != (0, 0) {
        tokio::time::sleep(DRAIN_PERIOD).await;
    }
    Ok(())
}
