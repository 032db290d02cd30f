//! What a policy is about, and what a change touches.

use model::ServiceName;
use model::labels::{LabelValue, Selector, Term};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The label that says to which environment an instance belongs.
pub const ENVIRONMENT: &str = "environment";

/// Some services in some environments; all, where none is named.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// Only this service.
    pub service: Option<ServiceName>,
    /// Only this environment.
    pub environment: Option<LabelValue>,
}

/// What a change touches: one service, in one environment or in all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Which service.
    pub service: ServiceName,
    /// Only this environment; in all of them, where none is named.
    #[serde(default)]
    pub environment: Option<LabelValue>,
}

impl Subject {
    /// What a deployment to instances of these labels touches.
    pub fn of(service: ServiceName, instances: &Selector) -> Self {
        let environment = instances.terms().iter().find_map(|term| match term {
            Term::Is(key, value) if key.as_str() == ENVIRONMENT => Some(value.clone()),
            _ => None,
        });
        Self { service, environment }
    }

    /// Whether an instance may be touched by both.
    pub fn meets(&self, other: &Self) -> bool {
        let environments = self.environment.as_ref().zip(other.environment.as_ref());
        self.service == other.service && environments.is_none_or(|(one, other)| one == other)
    }
}

impl Scope {
    /// Whether some of what the subject touches is in here: enough to forbid it.
    pub fn touches(&self, subject: &Subject) -> bool {
        let service = self
            .service
            .as_ref()
            .is_none_or(|service| *service == subject.service);
        let environment = match (&self.environment, &subject.environment) {
            (Some(own), Some(touched)) => own == touched,
            _ => true,
        };
        service && environment
    }

    /// Whether all that the subject touches is in here: needed to allow it.
    pub fn covers(&self, subject: &Subject) -> bool {
        let environment = self.environment.is_none() || self.environment == subject.environment;
        self.touches(subject) && environment
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Some(service) => write!(formatter, "{service}")?,
            None => formatter.write_str("every service")?,
        }
        match &self.environment {
            Some(environment) => write!(formatter, " in {environment}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let environment = self
            .environment
            .as_ref()
            .map_or("every environment", |value| value.as_str());
        write!(formatter, "{} in {environment}", self.service)
    }
}
