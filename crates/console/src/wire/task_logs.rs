//! What tasks write.

use model::task_log::LogPart;
use model::{HostName, RegionName, ServiceName};
use serde::{Deserialize, Serialize};

/// `GET /v1/services/{name}/log`: a part of one release's output on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskLog {
    /// Whose output.
    pub service: ServiceName,
    /// Where the host is.
    pub region: RegionName,
    /// Which host.
    pub host: HostName,
    /// What it kept.
    pub part: LogPart,
}
