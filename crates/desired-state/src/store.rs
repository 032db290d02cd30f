//! A connection to one region's etcd, and where things lie in it.

use crate::Error;
use etcd_client::{Client, ConnectOptions};
use model::{RegionName, ServiceName};
use std::future::Future;
use std::time::Duration;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be silent before it is probed, and how long the probe may take. Together well
/// under a lease's time, so that a dead connection is replaced before it costs the leadership.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// The largest answer that is read: every service of a region with a spec of the largest size that etcd takes.
pub(crate) const ANSWER_LENGTH_MAX: usize = model::host::SERVICES_MAX * (3 << 19);

/// One region's desired state. Cheap to clone; clones share a connection.
#[derive(Clone)]
pub struct DesiredState {
    pub(crate) client: Client,
    /// Begins every key of the region, so that regions could even share an etcd.
    prefix: String,
}

impl DesiredState {
    /// Prepares a connection to the etcd at `endpoints` (`http://host:port`). It is made when it is needed and
    /// made again when it is lost, so that this succeeds while etcd is away; it fails on an address that can
    /// never work.
    pub async fn connect(endpoints: &[String], region: &RegionName) -> Result<Self, Error> {
        let options = ConnectOptions::new()
            .with_connect_timeout(REQUEST_TIMEOUT)
            .with_keep_alive(KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT)
            .with_keep_alive_while_idle(true)
            .with_require_leader(true);
        let client = Client::connect(endpoints, Some(options))
            .await
            .map_err(|error| Error::etcd("connect", error))?;
        let prefix = format!("/starling/{region}/");
        Ok(Self { client, prefix })
    }

    /// Begins every key of the region.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The one key of what was said about the region's distributions.
    pub(crate) fn controls_key(&self) -> String {
        format!("{}controls", self.prefix)
    }

    pub(crate) fn services_prefix(&self) -> String {
        format!("{}services/", self.prefix)
    }

    pub(crate) fn service_key(&self, service: &ServiceName) -> String {
        format!("{}services/{service}", self.prefix)
    }

    pub(crate) fn election_name(&self) -> String {
        format!("{}leader", self.prefix)
    }
}

impl std::fmt::Debug for DesiredState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DesiredState")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// Gives a request its limit in time and its error a name.
pub(crate) async fn limited<T>(
    action: &'static str,
    request: impl Future<Output = Result<T, etcd_client::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|error| Error::etcd(action, error)),
        Err(_) => Err(Error::TimedOut { action }),
    }
}
