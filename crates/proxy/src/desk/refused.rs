//! Why a command is not carried out.

use super::SERVICES_MAX;
use crate::{Error, route};
use model::ServiceName;
use proxy_control::InvalidPoint;

/// Why a command is not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("service {0} is not known")]
    Unknown(ServiceName),
    #[error("a host has at most {SERVICES_MAX} services")]
    ServicesMax,
    #[error("port {0} is the stable port of service {1}")]
    PortTaken(u16, ServiceName),
    #[error("the stable port of service {0} is another; remove the service first")]
    PortChanged(ServiceName),
    #[error(transparent)]
    Point(#[from] InvalidPoint),
    #[error(transparent)]
    Route(#[from] route::Error),
    #[error("{} ({})", .0, std::error::Error::source(.0).map(ToString::to_string).unwrap_or_default())]
    Failed(#[from] Error),
    #[error("the proxy that is being replaced refuses: {0}")]
    Predecessor(String),
    #[error("this can be asked only of a proxy that is in charge")]
    Phase,
}
