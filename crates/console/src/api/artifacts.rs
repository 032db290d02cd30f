//! `/v1/artifacts`.

use crate::app::App;
use crate::extract::{Engineer, Id};
use crate::provenance;
use crate::refusal::Refusal;
use crate::wire::ArtifactProvenance;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use model::ArtifactId;

pub(super) fn router() -> Router<App> {
    Router::new().route("/artifacts/{id}/provenance", get(provenance_of))
}

async fn provenance_of(
    State(app): State<App>,
    _: Engineer,
    Id(id): Id<ArtifactId>,
) -> Result<axum::Json<ArtifactProvenance>, Refusal> {
    let envelope = provenance::envelope(&app, &id)
        .await?
        .ok_or(Refusal::UnknownArtifact(id))?;
    let json =
        |bytes: &[u8]| serde_json::from_slice(bytes).map_err(|error| Refusal::Internal(Box::new(error)));
    Ok(axum::Json(ArtifactProvenance {
        artifact: id,
        keys: envelope.keys().map(|key| key.to_string()).collect(),
        envelope: json(&envelope.encode())?,
        statement: json(envelope.payload())?,
    }))
}
