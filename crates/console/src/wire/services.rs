//! Services and their specs.

use crate::wire::Deployment;
use jiff::Timestamp;
use model::{Actor, Configuration, ReleaseNumber, ServiceName, ServiceSpec};
use serde::{Deserialize, Serialize};

/// A service. `PUT /v1/services/{name}` takes a [`ServiceSpec`] and answers with this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// What it runs; a change takes effect with the next deployment.
    pub spec: ServiceSpec,
    /// Who last changed the spec.
    pub actor: Actor,
    /// Its newest release, once there is one.
    pub release: Option<ReleaseNumber>,
    /// When the spec last changed.
    pub updated_at: Timestamp,
    /// The newest deployment among the last ones, if any.
    pub deployment: Option<Deployment>,
}

/// `GET /v1/services`, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceList {
    /// All of them.
    pub services: Vec<Service>,
}

/// `GET /v1/services/{name}/configurations`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationList {
    /// Every version.
    pub configurations: Vec<ConfigurationVersionRow>,
}

/// One version of a service's configuration. `PUT /v1/services/{name}/configurations/{version}` takes the variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationVersionRow {
    /// The version and its variables.
    pub configuration: Configuration,
    /// Who made it.
    pub actor: Actor,
    /// When.
    pub created_at: Timestamp,
}
