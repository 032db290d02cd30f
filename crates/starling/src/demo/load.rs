//! Clients of the demo's service on every host, while rollouts go on.

use ::load::{Load, Protocol, Summary, Tally, Target};
use anyhow::Context as _;
use serde::Deserialize;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Clients of each host.
const CLIENTS: u32 = 2;
/// Requests a second to each host: as much as leaves a small machine to the rest of the system.
const RATE: u32 = 20;
/// How many ports are tried before it is given up to find one that is free on every host.
const PORTS_TRIED: u32 = 64;

/// Clients that ask every host until they are told to stop.
#[derive(Debug)]
pub struct Clients {
    tallies: Vec<Arc<Tally>>,
    running: JoinSet<()>,
    began: Instant,
    stop: CancellationToken,
}

impl Clients {
    /// Begins to ask the service at its stable port on these hosts.
    pub fn start(hosts: &[Ipv4Addr], port: u16) -> Self {
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        let tallies = hosts.iter().map(|&host| {
            let load = Load {
                target: Target {
                    address: (host, port).into(),
                    path: "/version",
                    release,
                },
                protocol: Protocol::Http1,
                clients: CLIENTS,
                rate: RATE,
            };
            let (tally, stop) = (Arc::new(Tally::default()), stop.clone());
            let counted = tally.clone();
            running.spawn(async move { load.run(None, &stop, &counted).await });
            tally
        });
        Self {
            tallies: tallies.collect(),
            began: Instant::now(),
            running,
            stop,
        }
    }

    /// Stops once every request that was sent has been counted; what the clients saw.
    pub async fn stop(self) -> Summary {
        self.stop.cancel();
        self.running.join_all().await;
        Summary::of(self.tallies.iter().map(|tally| &**tally), self.began.elapsed())
    }
}

/// The release in a beacon's answer.
fn release(body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Said {
        release: String,
    }
    let said: Said = serde_json::from_slice(body).ok()?;
    said.release.parse().ok()
}

/// A port that nobody holds at any of these addresses.
pub fn free_port(hosts: &[Ipv4Addr]) -> anyhow::Result<u16> {
    let first = *hosts.first().context("there is no host")?;
    for _ in 0..PORTS_TRIED {
        let held = TcpListener::bind((first, 0))?;
        let port = held.local_addr()?.port();
        if hosts[1..]
            .iter()
            .all(|&host| TcpListener::bind((host, port)).is_ok())
        {
            return Ok(port);
        }
    }
    anyhow::bail!("found no port that is free on every host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beacon_names_its_release() {
        assert_eq!(release(br#"{"commit":"c","release":"12"}"#), Some(12));
        for other in [&b"{}"[..], b"ok", br#"{"release":12}"#, br#"{"release":"x"}"#] {
            assert_eq!(release(other), None);
        }
    }
}
