//! `/v1/regions`: where replication managers report.

use crate::app::App;
use crate::extract::{Id, Json, Manager};
use crate::metrics;
use crate::refusal::Refusal;
use crate::wire::ReportAccepted;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use model::RegionName;
use model::region_report::RegionReport;

/// The largest report, in bytes; a thousand instances with long reasons fit.
const REPORT_LENGTH_MAX: usize = 2 * 1024 * 1024;

pub(super) fn router() -> Router<App> {
    Router::new().route(
        "/regions/{region}/report",
        post(report).layer(DefaultBodyLimit::max(REPORT_LENGTH_MAX)),
    )
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
