//! Why the output of a task is not shown.

use axum::http::StatusCode;
use model::{HostName, RegionName, ServiceName};

/// Why the output of a task is not shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogRefused {
    #[error("service {service} has nothing on host {host}")]
    NoInstance { service: ServiceName, host: HostName },
    #[error("there is a host {host} in {}", list(.regions))]
    SeveralRegions {
        host: HostName,
        regions: Vec<RegionName>,
    },
    #[error("{0}")]
    Host(String),
    #[error("no manager of region {0} takes questions")]
    SilentRegion(RegionName),
    #[error("host {0} does not answer its region's manager")]
    SilentHost(HostName),
    #[error("too many questions about logs wait already")]
    TooMany,
}

impl LogRefused {
    /// The code, for programs, and the status.
    pub(super) const fn code(&self) -> (&'static str, StatusCode) {
        match self {
            Self::NoInstance { .. } => ("no_instance", StatusCode::NOT_FOUND),
            Self::SeveralRegions { .. } => ("several_regions", StatusCode::CONFLICT),
            Self::Host(_) => ("no_log", StatusCode::NOT_FOUND),
            Self::SilentRegion(_) => ("silent_region", StatusCode::SERVICE_UNAVAILABLE),
            Self::SilentHost(_) => ("silent_host", StatusCode::SERVICE_UNAVAILABLE),
            Self::TooMany => ("too_many_logs", StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    /// What to do next, for a person.
    pub(super) fn next(&self) -> String {
        match self {
            Self::NoInstance { .. } => {
                "list hosts and what they run with `starling instances`; name the region of a host that has not reported yet"
                    .to_owned()
            }
            Self::SeveralRegions { .. } => "name the region, too".to_owned(),
            Self::Host(_) => "name another release or host, or ask again in a moment".to_owned(),
            Self::SilentRegion(region) => {
                format!("check that {region} has a leading manager, and that its requests reach this very server")
            }
            Self::SilentHost(_) => "check that its agent runs; ask again in a moment".to_owned(),
            Self::TooMany => "ask again in a moment".to_owned(),
        }
    }
}

fn list(regions: &[RegionName]) -> String {
    let words: Vec<&str> = regions.iter().map(RegionName::as_str).collect();
    words.join(" and in ")
}
