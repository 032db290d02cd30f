//! `starling proxy`: the proxy of one host.
//!
//! A second one with the same configuration takes over from the first, which then ends with its last connection and
//! exits with success. That is how it is upgraded: start the new binary beside the old one. Under systemd that is a
//! template unit with `Restart=on-failure`: start `starling-proxy@b` while `starling-proxy@a` runs, and next time the
//! other way round.

use crate::observe;
use ::proxy::{Config, Service};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The role's configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The proxy's own folder.
    pub folder: PathBuf,
    /// The control socket; `control.sock` in the folder unless given.
    #[serde(default)]
    pub control_socket: Option<PathBuf>,
    /// The address on which stable ports are opened.
    #[serde(default = "everywhere")]
    pub listen: IpAddr,
    #[serde(default)]
    pub limits: LimitSettings,
    #[serde(default)]
    pub observe: observe::Settings,
}

/// Limits; what isn't given has the proxy's own default. See `proxy::Config`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Threads that move bytes; one a processor unless given.
    pub threads: Option<usize>,
    /// Connections of clients.
    pub connections_max: Option<usize>,
    /// Requests and upgraded connections at one target.
    pub in_flight_max: Option<u64>,
    /// Requests of one service that a pause holds.
    pub held_max: Option<u64>,
    /// How long a pause holds a request.
    pub hold_seconds_max: Option<u64>,
    /// How long a connection may be without a request.
    pub idle_seconds_max: Option<u64>,
    /// How long a target may take until its response begins.
    pub answer_seconds_max: Option<u64>,
    /// How long a proxy that was replaced waits for its connections to end.
    pub drain_seconds_max: Option<u64>,
    /// How long it waits for upgraded ones.
    pub tunnels_seconds_max: Option<u64>,
}

const fn everywhere() -> IpAddr {
    IpAddr::V4(Ipv4Addr::UNSPECIFIED)
}

pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    // The recorder comes first, since the proxy's threads keep handles of it.
    let metrics = observe::prepare(&settings.observe)?;
    let observe = settings.observe.clone();
    let service = Service::start(config(settings)).await?;
    let replaced = service.replaced();
    // The next proxy needs the address, so the health server ends when this one is replaced.
    let observed = stop.child_token();
    let ends = observed.clone();
    let replaced_is = replaced.clone();
    tokio::spawn(async move {
        replaced_is.cancelled().await;
        ends.cancel();
    });
    let running = tokio::spawn(service.run(stop));
    let readiness = observe::start_when_free("proxy", &observe, metrics, observed).await?;
    readiness.ready();
    running.await??;
    if replaced.is_cancelled() {
        tracing::info!("the connections have ended; a newer proxy serves");
    }
    Ok(())
}

fn config(settings: Settings) -> Config {
    let mut config = Config::new(settings.folder);
    if let Some(socket) = settings.control_socket {
        config.control_socket = socket;
    }
    config.listen = settings.listen;
    let LimitSettings {
        threads,
        connections_max,
        in_flight_max,
        held_max,
        hold_seconds_max,
        idle_seconds_max,
        answer_seconds_max,
        drain_seconds_max,
        tunnels_seconds_max,
    } = settings.limits;
    set(&mut config.threads, threads);
    set(&mut config.connections_max, connections_max);
    set(&mut config.limits.in_flight_max, in_flight_max);
    set(&mut config.limits.held_max, held_max);
    let seconds = |seconds: Option<u64>| seconds.map(Duration::from_secs);
    set(&mut config.hold_max, seconds(hold_seconds_max));
    set(&mut config.idle_max, seconds(idle_seconds_max));
    set(&mut config.answer_max, seconds(answer_seconds_max));
    set(&mut config.drain_max, seconds(drain_seconds_max));
    set(&mut config.tunnels_max, seconds(tunnels_seconds_max));
    config
}

fn set<T>(value: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *value = given;
    }
}
