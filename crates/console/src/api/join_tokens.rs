//! `/v1/join-tokens`.

use super::Page;
use crate::app::App;
use crate::extract::{Engineer, Id, Json, Query};
use crate::refusal::Refusal;
use crate::wire::{
    JOIN_TOKEN_SECONDS, JOIN_TOKEN_SECONDS_DEFAULT, JoinToken, JoinTokenCreated, JoinTokenList, NewJoinToken,
};
use crate::{read, rows};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use model::JoinTokenId;
use model::node::JoinTokenState;
use std::time::Duration;
use swarm::JoinSecret;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/join-tokens", get(list).post(create))
        .route("/join-tokens/{id}/withdraw", post(withdraw))
}

/// Makes a token. Its secret is in this answer and nowhere else.
async fn create(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Json(request): Json<NewJoinToken>,
) -> Result<(StatusCode, axum::Json<JoinTokenCreated>), Refusal> {
    let authority = app.issuer.authority(&request.region)?.key().to_string();
    let seconds = request.lifetime_seconds.unwrap_or(JOIN_TOKEN_SECONDS_DEFAULT);
    if !JOIN_TOKEN_SECONDS.contains(&seconds) {
        let (from, to) = (JOIN_TOKEN_SECONDS.start(), JOIN_TOKEN_SECONDS.end());
        return Err(Refusal::Invalid(format!(
            "lifetime_seconds: {seconds} is not between {from} and {to}"
        )));
    }
    let secret = JoinSecret::generate();
    let token = app
        .builds
        .create_join_token(&database::builds::NewJoinToken {
            secret_hash: secret.hash(),
            region: request.region,
            role: request.role,
            name: request.name,
            life: Duration::from_secs(seconds.into()),
            actor: actor.clone(),
        })
        .await?;
    tracing::info!(
        join_token.id = %token.id, node.region = %token.region, node.role = %token.role, actor = %actor,
        "a join token was made"
    );
    let created = JoinTokenCreated {
        token: rows::join_token(token),
        secret: secret.expose(),
        authority,
    };
    Ok((StatusCode::CREATED, axum::Json(created)))
}

async fn list(
    State(app): State<App>,
    _: Engineer,
    Query(page): Query<Page<JoinTokenId>>,
) -> Result<axum::Json<JoinTokenList>, Refusal> {
    read::join_tokens(&app, page.limit, page.before)
        .await
        .map(axum::Json)
}

async fn withdraw(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(id): Id<JoinTokenId>,
) -> Result<axum::Json<JoinToken>, Refusal> {
    let token = app.builds.withdraw_join_token(id, &actor).await?;
    let token = token.ok_or(Refusal::UnknownJoinToken(id))?;
    if token.state != JoinTokenState::Withdrawn {
        return Err(Refusal::Ended {
            what: format!("join token {id}"),
            state: token.state.as_str(),
        });
    }
    tracing::info!(join_token.id = %id, actor = %actor, "a join token was withdrawn");
    Ok(axum::Json(rows::join_token(token)))
}
