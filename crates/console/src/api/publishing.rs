//! `/v1/attempts/{build}/{lease}`: what a worker asks that has something to publish. Its token must be a worker's, and
//! the attempt must hold its lease, which is asked of the database with every request.

use crate::app::App;
use crate::extract::{Held, Json, Rest};
use crate::publish::Publisher;
use crate::refusal::{PublishingRefused, Refusal};
use artifact_store::PartAddress;
use artifact_store::publishing::{AbortRequest, BegunUpload, PartRequest, Publication, Published, Success};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use database::jobs::Made;
use model::ArtifactId;
use tokio::sync::OwnedSemaphorePermit;

pub(crate) fn router() -> Router<App> {
    let publication = post(publish).layer(DefaultBodyLimit::max(Publication::LENGTH_MAX));
    Router::new()
        .route("/attempts/{build}/{lease}/upload", post(begin))
        .route("/attempts/{build}/{lease}/upload/address", post(address))
        .route("/attempts/{build}/{lease}/upload/abort", post(abort))
        .route("/attempts/{build}/{lease}/artifacts/{rest}", get(standing))
        .route("/attempts/{build}/{lease}/publication", publication)
        .route("/attempts/{build}/{lease}/success", post(succeed))
}

async fn begin(
    State(publisher): State<Publisher>,
    Held(held): Held,
) -> Result<axum::Json<BegunUpload>, Refusal> {
    publisher.begin(&held).await.map(axum::Json)
}

async fn address(
    State(publisher): State<Publisher>,
    Held(held): Held,
    Json(request): Json<PartRequest>,
) -> Result<axum::Json<PartAddress>, Refusal> {
    let PartRequest { upload, part } = request;
    publisher.address(&held, &upload, &part).await.map(axum::Json)
}

async fn abort(
    State(publisher): State<Publisher>,
    Held(held): Held,
    Json(request): Json<AbortRequest>,
) -> Result<StatusCode, Refusal> {
    publisher.abort(&held, &request.upload).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The manifest of an artifact that may be taken over, or 404.
async fn standing(
    State(publisher): State<Publisher>,
    Held(held): Held,
    Rest(artifact): Rest<ArtifactId>,
) -> Result<Response, Refusal> {
    let manifest = publisher.standing(&held, &artifact).await?;
    let manifest = manifest.ok_or(Refusal::UnknownArtifact(artifact))?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], manifest.encode()).into_response())
}

/// A turn, which is taken before the body is read.
struct Turn(OwnedSemaphorePermit);

impl FromRequestParts<App> for Turn {
    type Rejection = Refusal;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self, Refusal> {
        app.publisher.turn().await.map(Self)
    }
}

async fn publish(
    State(publisher): State<Publisher>,
    Held(held): Held,
    Turn(_turn): Turn,
    body: Bytes,
) -> Result<axum::Json<Published>, Refusal> {
    let publication = Publication::decode(&body).map_err(PublishingRefused::from)?;
    drop(body);
    let Made {
        artifact,
        total_bytes,
    } = publisher.publish(&held, publication).await?;
    tracing::info!(build.id = %held.build, artifact.id = %artifact, "an artifact was published");
    Ok(axum::Json(Published {
        artifact,
        total_bytes,
    }))
}

async fn succeed(
    State(publisher): State<Publisher>,
    Held(held): Held,
    Json(success): Json<Success>,
) -> Result<StatusCode, Refusal> {
    publisher.succeed(&held, &success.artifact).await?;
    Ok(StatusCode::NO_CONTENT)
}
