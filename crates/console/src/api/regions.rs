//! `/v1/regions`: how each stands, where replication managers report, and hear whom nobody may talk to any more.

use crate::app::App;
use crate::extract::{Engineer, Id, Json, Manager};
use crate::metrics;
use crate::refusal::Refusal;
use crate::rows;
use crate::wire::{RegionList, ReportAccepted};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use model::RegionName;
use model::node::RevokedPeers;
use model::region_report::RegionReport;
use std::collections::BTreeMap;

/// The largest report, in bytes; a thousand instances with long reasons fit.
const REPORT_LENGTH_MAX: usize = 2 * 1024 * 1024;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/regions", get(list))
        .route(
            "/regions/{region}/report",
            post(report).layer(DefaultBodyLimit::max(REPORT_LENGTH_MAX)),
        )
        .route("/regions/{region}/revoked", get(revoked))
}

async fn list(State(app): State<App>, _: Engineer) -> Result<axum::Json<RegionList>, Refusal> {
    let times = app.builds.replication_times().await?.into_iter();
    let mut times: BTreeMap<_, _> = times.map(|times| (times.region.clone(), times)).collect();
    let regions = app.builds.regions().await?.into_iter();
    let regions = regions.map(|region| {
        let times = times.remove(&region.name);
        rows::region_and_times(region, times)
    });
    Ok(axum::Json(RegionList {
        regions: regions.collect(),
    }))
}

/// A manager speaks for its own region only, and only while no newer leader has spoken.
async fn report(
    State(app): State<App>,
    Manager(own): Manager,
    Id(region): Id<RegionName>,
    Json(report): Json<RegionReport>,
) -> Result<axum::Json<ReportAccepted>, Refusal> {
    if region != own || report.region != own {
        return Err(Refusal::Forbidden);
    }
    app.builds.apply_region_report(&report).await?;
    metrics::report_accepted();
    Ok(axum::Json(ReportAccepted {
        instances: u32::try_from(report.instances.len()).unwrap_or(u32::MAX),
    }))
}

/// The whole list of revoked peers, or 304 when it is the one that the manager names as the last it saw.
async fn revoked(
    State(app): State<App>,
    Manager(own): Manager,
    Id(region): Id<RegionName>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if region != own {
        return Err(Refusal::Forbidden);
    }
    let peers = app.builds.revoked_peers(&region).await?;
    let mut hasher = blake3::Hasher::new();
    for peer in &peers {
        hasher.update(peer.as_str().as_bytes()).update(b"\n");
    }
    let tag = format!("\"{}\"", hasher.finalize().to_hex());
    let seen = headers.get(header::IF_NONE_MATCH);
    if seen.is_some_and(|seen| seen.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(([(header::ETAG, tag)], axum::Json(RevokedPeers { peers })).into_response())
}
