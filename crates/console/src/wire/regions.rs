//! What a region's replication manager hears back.

use serde::{Deserialize, Serialize};

/// The answer to `POST /v1/regions/{region}/report`, whose body is a
/// [`RegionReport`](model::region_report::RegionReport).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAccepted {
    /// How many instances the report held.
    pub instances: u32,
}
