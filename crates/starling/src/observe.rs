//! What every role shows of itself: structured logs, `/livez`, `/readyz` and `/metrics`.

use anyhow::Context as _;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// How long an older process of the same role may keep its health server's address.
const FREE_LIMIT: Duration = Duration::from_secs(10);
/// Before the address is tried again.
const FREE_DELAY: Duration = Duration::from_millis(20);

/// How a role is observed; the same table `[observe]` in every role's configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where `/livez`, `/readyz` and `/metrics` are served; port 0 picks a free one.
    pub listen: SocketAddr,
    /// What is logged, in tracing's filter syntax.
    pub log: String,
    /// Whether log lines are JSON objects.
    pub log_json: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            log: "info".to_owned(),
            log_json: true,
        }
    }
}

/// Says when the role is ready to serve.
#[derive(Debug, Clone)]
pub struct Readiness(watch::Sender<bool>);

impl Readiness {
    /// From now on `/readyz` answers 200.
    pub fn ready(&self) {
        self.0.send_replace(true);
    }
}

/// Starts logging and the health server; the server ends with `stop`.
pub async fn start(
    role: &'static str,
    settings: &Settings,
    stop: CancellationToken,
) -> anyhow::Result<Readiness> {
    let metrics = prepare(settings)?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("failed to listen on {} for /metrics", settings.listen))?;
    serve(role, metrics, listener, stop)
}

/// The same for a role whose processes take over from each other: the health server starts once the older process has
/// let go of the address, since both are configured alike.
pub async fn start_when_free(
    role: &'static str,
    settings: &Settings,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> anyhow::Result<Readiness> {
    let deadline = tokio::time::Instant::now() + FREE_LIMIT;
    let listener = loop {
        match TcpListener::bind(settings.listen).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(FREE_DELAY).await;
            }
            bound => break bound,
        }
    };
    let listener =
        listener.with_context(|| format!("failed to listen on {} for /metrics", settings.listen))?;
    serve(role, metrics, listener, stop)
}

/// Starts logging, and counting.
pub fn prepare(settings: &Settings) -> anyhow::Result<PrometheusHandle> {
    start_logging(settings)?;
    PrometheusBuilder::new()
        .install_recorder()
        .context("failed to install the metrics recorder")
}

fn serve(
    role: &'static str,
    metrics: PrometheusHandle,
    listener: TcpListener,
    stop: CancellationToken,
) -> anyhow::Result<Readiness> {
    let address = listener.local_addr()?;
    let (sender, receiver) = watch::channel(false);
    let router = router(metrics.clone(), receiver);
    tokio::spawn(async move {
        let upkeep = async {
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                metrics.run_upkeep();
            }
        };
        let serve = axum::serve(listener, router);
        tokio::select! {
            result = serve => tracing::error!(?result, "the health server ended"),
            () = upkeep => {}
            () = stop.cancelled() => {}
        }
    });
    tracing::info!(role, observe.address = %address, "started");
    Ok(Readiness(sender))
}

fn router(metrics: PrometheusHandle, ready: watch::Receiver<bool>) -> Router {
    let readyz = async move || {
        if *ready.borrow() {
            (StatusCode::OK, "ready\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
    };
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(async move || metrics.render()))
}

/// Warnings in plain lines, for commands that a person runs in a terminal.
pub fn start_terminal_logging() {
    let filter = EnvFilter::new("warn");
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // An error means that logging has started already.
    let _ = builder.with_target(false).try_init();
}

fn start_logging(settings: &Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log).context("`observe.log` is not a filter")?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let result = if settings.log_json {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
    result.map_err(|error| anyhow::anyhow!("failed to start logging: {error}"))
}
