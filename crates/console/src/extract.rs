//! What handlers take from a request: who asks, and a body or query that says which field is wrong.

use crate::app::App;
use crate::refusal::Refusal;
use crate::token::{Caller, Role};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use database::jobs::Holding;
use model::{Actor, BuildId, LeaseId, RegionName};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// An engineer; anybody else is refused.
#[derive(Debug, Clone)]
pub(crate) struct Engineer(pub(crate) Actor);

/// A region's replication manager; anybody else is refused.
#[derive(Debug, Clone)]
pub(crate) struct Manager(pub(crate) RegionName);

impl FromRequestParts<App> for Engineer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refusal> {
        match caller(parts)? {
            Caller {
                name,
                role: Role::Engineer,
            } => Ok(Self(name)),
            _ => Err(Refusal::Forbidden),
        }
    }
}

impl FromRequestParts<App> for Manager {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refusal> {
        match caller(parts)?.role {
            Role::Region(region) => Ok(Self(region)),
            Role::Engineer | Role::Worker(_) => Err(Refusal::Forbidden),
        }
    }
}

/// An attempt that a worker speaks for, and that holds its lease now; anybody else is refused.
#[derive(Debug, Clone)]
pub(crate) struct Held(pub(crate) Holding);

/// The attempt that an address names.
#[derive(Deserialize)]
struct AttemptPath {
    build: BuildId,
    lease: LeaseId,
}

impl FromRequestParts<App> for Held {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let Role::Worker(name) = caller(parts)?.role else {
            return Err(Refusal::Forbidden);
        };
        let Path(AttemptPath { build, lease }) = path(parts, app).await?;
        let held = app.jobs.holding(build, lease).await?;
        if name.is_some_and(|name| name != held.worker) {
            return Err(Refusal::Forbidden);
        }
        Ok(Self(held))
    }
}

/// What an address names beside an attempt.
#[derive(Debug)]
pub(crate) struct Rest<T>(pub(crate) T);

#[derive(Deserialize)]
struct RestOfPath<T> {
    rest: T,
}

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Rest<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let Path(RestOfPath { rest }) = path(parts, app).await?;
        Ok(Self(rest))
    }
}

async fn path<T: DeserializeOwned + Send>(parts: &mut Parts, app: &App) -> Result<Path<T>, Refusal> {
    let path = Path::from_request_parts(parts, app).await;
    path.map_err(|error| Refusal::Invalid(error.body_text()))
}

/// The guard put it there; without one nobody is known.
fn caller(parts: &Parts) -> Result<Caller, Refusal> {
    parts
        .extensions
        .get::<Caller>()
        .cloned()
        .ok_or(Refusal::Unauthenticated)
}

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        match axum::Json::from_request(request, app).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(unreadable(rejection.status(), &rejection)),
        }
    }
}

/// A form's body.
#[derive(Debug)]
pub(crate) struct Form<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Form<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        match axum::Form::from_request(request, app).await {
            Ok(axum::Form(value)) => Ok(Self(value)),
            Err(rejection) => Err(unreadable(rejection.status(), &rejection)),
        }
    }
}

/// The part of an address after `?`.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refusal> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(unreadable(rejection.status(), &rejection)),
        }
    }
}

/// The one name or identifier in a path.
#[derive(Debug)]
pub(crate) struct Id<T>(pub(crate) T);

impl<T> FromRequestParts<App> for Id<T>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let Path(text): Path<String> = path(parts, app).await?;
        text.parse().map(Self).map_err(|error| {
            let shown: String = text.chars().take(80).collect();
            Refusal::Invalid(format!("{shown:?} in the address: {error}"))
        })
    }
}

/// The two names in a path.
#[derive(Debug)]
pub(crate) struct Pair<A, B>(pub(crate) A, pub(crate) B);

impl<A, B> FromRequestParts<App> for Pair<A, B>
where
    A: DeserializeOwned + Send,
    B: DeserializeOwned + Send,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let Path((one, other)) = path(parts, app).await?;
        Ok(Self(one, other))
    }
}

/// The source names the field and what is wrong with it; the rejection itself only says where it stood.
fn unreadable(status: StatusCode, rejection: &dyn std::error::Error) -> Refusal {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Refusal::TooLarge;
    }
    let reason = rejection
        .source()
        .map_or_else(|| rejection.to_string(), ToString::to_string);
    // The field's name says where; the position in a body that a program wrote helps nobody.
    let words = reason.split(" at line ").next().unwrap_or(&reason);
    Refusal::Invalid(words.to_owned())
}
