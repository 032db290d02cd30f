//! The inventory: every instance that takes part, whether an agent of ours speaks for it or it speaks for itself.

use jiff::Timestamp;
use model::inventory::InstanceKind;
use model::labels::Placed;
use model::{
    Actor, HostName, InstanceHealth, InstanceId, InstanceName, Labels, RegionName, ReleaseNumber,
    ReportedVersion, ServiceName, TaskState, ZoneName,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The longest reason for taking an instance out, in bytes.
pub const RETIREMENT_REASON_LENGTH_MAX: usize = 500;

/// `POST /v1/inventory/instances/register`, by a program that is none of our agents.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewInstance {
    /// The name that it wants.
    pub name: HostName,
    /// Where it is reached.
    pub ip: IpAddr,
    /// In which zone of the token's region it stands.
    pub zone: Option<ZoneName>,
    /// What it says of itself.
    #[serde(default)]
    pub labels: Labels,
    /// A join token whose role is `INSTANCE`.
    pub token: swarm::JoinSecret,
}

/// The answer to a registration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceRegistered {
    /// What it is called whatever its name.
    pub id: InstanceId,
    /// Its name.
    pub name: HostName,
    /// Where the token has put it.
    pub region: RegionName,
    /// What it must send as a bearer token with its heartbeats. It is said here once and kept nowhere.
    pub secret: String,
    /// How often it should send one, in seconds.
    pub heartbeat_seconds: u32,
}

/// How an instance says that it is: the number or the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NumberOrWord", into = "u8")]
pub struct InstanceStatus(pub InstanceHealth);

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrWord {
    Number(u64),
    Word(String),
}

impl TryFrom<NumberOrWord> for InstanceStatus {
    type Error = &'static str;

    fn try_from(status: NumberOrWord) -> Result<Self, Self::Error> {
        let found = match status {
            NumberOrWord::Number(number) => usize::try_from(number)
                .ok()
                .and_then(|place| InstanceHealth::ALL.get(place).copied()),
            NumberOrWord::Word(word) => word.parse().ok(),
        };
        found
            .map(Self)
            .ok_or("a status is UNKNOWN (0), HEALTHY (1), DEGRADED (2) or FAILED (3)")
    }
}

impl From<InstanceStatus> for u8 {
    fn from(InstanceStatus(health): InstanceStatus) -> Self {
        match health {
            InstanceHealth::Unknown => 0,
            InstanceHealth::Healthy => 1,
            InstanceHealth::Degraded => 2,
            InstanceHealth::Failed => 3,
        }
    }
}

/// `PATCH /v1/inventory/instances/{name or id}`, by the instance itself. What is left out stays as it was said before.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Larger with every heartbeat, so that late and repeated ones are known as such. Without one, what comes last
    /// counts.
    pub sequence: Option<u64>,
    /// The code that it runs.
    pub code_version: Option<ReportedVersion>,
    /// The configuration that it has.
    pub configuration_version: Option<ReportedVersion>,
    /// How it is.
    pub status: Option<InstanceStatus>,
    /// When it was sent, by the instance's clock. It is read and not used: the server's clock says what is fresh.
    pub sent_at: Option<Timestamp>,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatAccepted {
    /// Its number; the next one's is larger.
    pub sequence: u64,
    /// Whether it had been heard before.
    pub repeated: bool,
}

/// One instance, and how it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// What it is called whatever its name.
    pub id: InstanceId,
    /// Its name: as it gave it, or `REGION.HOST` where an agent speaks.
    pub name: InstanceName,
    /// Who speaks for it.
    pub kind: InstanceKind,
    /// In which region.
    pub region: RegionName,
    /// In which zone, if it is known.
    pub zone: Option<ZoneName>,
    /// On which host, where an agent speaks.
    pub host: Option<HostName>,
    /// The address that it gave.
    pub ip: Option<String>,
    /// Its labels and where it stands.
    pub labels: Placed,
    /// How it is; unknown when it was not heard of for long.
    pub status: InstanceHealth,
    /// The status as a number.
    pub status_code: InstanceStatus,
    /// The code that it says it runs.
    pub code_version: Option<ReportedVersion>,
    /// The configuration that it says it has.
    pub configuration_version: Option<ReportedVersion>,
    /// What a host runs.
    pub services: Vec<InstanceService>,
    /// The time since it was heard of, in seconds; never, where none. It is exact to 20 seconds.
    pub silent_seconds: Option<f64>,
    /// When it came in.
    pub registered_at: Timestamp,
    /// When it was taken out.
    pub retired_at: Option<Timestamp>,
    /// By whom.
    pub retired_by: Option<Actor>,
    /// Why.
    pub retired_reason: Option<String>,
}

/// One service on a host with an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceService {
    /// Which service.
    pub service: ServiceName,
    /// The release whose process runs, if any.
    pub release: Option<ReleaseNumber>,
    /// How far the release that it should have has come.
    pub state: TaskState,
}

/// `GET /v1/inventory/instances?label=KEY=VALUE&status=HEALTHY&retired=true&limit=50&after=…`, by name. `label` may be
/// given several times: `KEY=VALUE`, `KEY!=VALUE`, `KEY` or `!KEY`; all must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceList {
    /// One page.
    pub instances: Vec<Instance>,
    /// Give it as `after` to get the next page; none at the end.
    pub next: Option<String>,
}

/// `POST /v1/inventory/instances/{name or id}/retire`, which answers with the [`Instance`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retirement {
    /// Why, for those who wonder later.
    pub reason: String,
}
