//! `/v1/services/{name}/configurations`: versions of a service's variables.

use crate::app::App;
use crate::extract::{Engineer, Id, Json, Pair};
use crate::refusal::{Refusal, RolloutRefused};
use crate::wire::{ConfigurationList, ConfigurationVersionRow};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use model::{Configuration, ConfigurationVersion, ServiceName};
use std::collections::BTreeMap;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/services/{name}/configurations", get(list))
        .route("/services/{name}/configurations/{version}", put(keep))
}

async fn list(
    State(app): State<App>,
    _: Engineer,
    Id(service): Id<ServiceName>,
) -> Result<axum::Json<ConfigurationList>, Refusal> {
    let rows = app.builds.configurations(&service).await?.into_iter();
    let configurations = rows.map(|row| ConfigurationVersionRow {
        configuration: row.configuration,
        actor: row.actor,
        created_at: row.created_at,
    });
    Ok(axum::Json(ConfigurationList {
        configurations: configurations.collect(),
    }))
}

/// Keeps a version. The same again is no error; other variables under it are.
async fn keep(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Pair(service, version): Pair<ServiceName, ConfigurationVersion>,
    Json(variables): Json<BTreeMap<String, String>>,
) -> Result<StatusCode, Refusal> {
    let configuration = Configuration {
        version: Some(version.clone()),
        variables,
    };
    configuration
        .validate()
        .map_err(|error| Refusal::Invalid(error.to_string()))?;
    if app
        .builds
        .put_configuration(&service, &version, &configuration, &actor)
        .await?
    {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(RolloutRefused::ConfigurationFixed(version).into())
    }
}
