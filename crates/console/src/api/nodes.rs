//! `/v1/nodes`.

use crate::app::App;
use crate::extract::{Engineer, Json, Pair, Query};
use crate::refusal::Refusal;
use crate::wire::{LIST_LIMIT_DEFAULT, Node, NodeList, REVOCATION_REASON_LENGTH_MAX, Revocation};
use crate::{read, rows};
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use model::{HostName, RegionName};
use serde::Deserialize;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/nodes", get(list))
        .route("/nodes/{region}/{name}/revoke", post(revoke))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    region: Option<RegionName>,
    #[serde(default = "limit_default")]
    limit: u32,
    after: Option<String>,
}

const fn limit_default() -> u32 {
    LIST_LIMIT_DEFAULT
}

async fn list(
    State(app): State<App>,
    _: Engineer,
    Query(wanted): Query<Wanted>,
) -> Result<axum::Json<NodeList>, Refusal> {
    read::nodes(
        &app,
        wanted.region.as_ref(),
        wanted.after.as_deref(),
        wanted.limit,
    )
    .await
    .map(axum::Json)
}

/// Revokes the key that has the name now. Doing it twice changes nothing more.
async fn revoke(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Pair(region, name): Pair<RegionName, HostName>,
    Json(Revocation { reason }): Json<Revocation>,
) -> Result<axum::Json<Node>, Refusal> {
    let plain = !reason.trim().is_empty() && !reason.chars().any(char::is_control);
    if !plain || reason.len() > REVOCATION_REASON_LENGTH_MAX {
        return Err(Refusal::Invalid(format!(
            "reason: say why in 1 to {REVOCATION_REASON_LENGTH_MAX} bytes on one line"
        )));
    }
    let node = app
        .builds
        .revoke_node(&region, &name, &actor, &reason)
        .await?
        .ok_or_else(|| Refusal::UnknownNode {
            region: region.clone(),
            name: name.clone(),
        })?;
    tracing::warn!(
        node.region = %region, node.name = %name, peer.id = %node.peer, actor = %actor, reason,
        "a node was revoked"
    );
    Ok(axum::Json(rows::node(node)))
}
