//! The nodes of the regions' swarms, and the tokens that let them in. What a node itself sends to be let in
//! is [`swarm::EnrolmentRequest`] and [`swarm::RenewalRequest`].

use jiff::Timestamp;
use model::node::{JoinTokenRole, JoinTokenState, Role};
use model::{Actor, HostName, JoinTokenId, PeerName, RegionName, ZoneName};
use serde::{Deserialize, Serialize};

/// How long a join token lives when nobody says otherwise, in seconds.
pub const JOIN_TOKEN_SECONDS_DEFAULT: u32 = 3_600;
/// The shortest and the longest life of a join token, in seconds.
pub const JOIN_TOKEN_SECONDS: std::ops::RangeInclusive<u32> = 60..=86_400;
/// The longest reason for a revocation, in bytes.
pub const REVOCATION_REASON_LENGTH_MAX: usize = 500;

/// `POST /v1/join-tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewJoinToken {
    /// Where it lets somebody in.
    pub region: RegionName,
    /// Whom.
    #[serde(default = "host")]
    pub role: JoinTokenRole,
    /// The only one who may use it, by name. Such a token also gives the name of a node that is enrolled already to
    /// another key, and revokes the former. Without a name it lets in any node whose name is free.
    pub name: Option<HostName>,
    /// Its life in seconds, within [`JOIN_TOKEN_SECONDS`]; [`JOIN_TOKEN_SECONDS_DEFAULT`] when left out.
    pub lifetime_seconds: Option<u32>,
}

const fn host() -> JoinTokenRole {
    JoinTokenRole::Host
}

/// The answer to `POST /v1/join-tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinTokenCreated {
    /// The token.
    pub token: JoinToken,
    /// What the node must show. It is said here once and kept nowhere.
    pub secret: String,
    /// The public key of the region's authority, which the node must be told to trust.
    pub authority: String,
}

/// A join token. `POST /v1/join-tokens/{id}/withdraw` answers with this too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// Its name, which is no secret.
    pub id: JoinTokenId,
    /// Where it lets somebody in.
    pub region: RegionName,
    /// Whom.
    pub role: JoinTokenRole,
    /// The only one who may use it, by name, if it says so.
    pub name: Option<HostName>,
    /// What has become of it.
    pub state: JoinTokenState,
    /// Who made it.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// When its life ends.
    pub expires_at: Timestamp,
    /// When it let somebody in.
    pub used_at: Option<Timestamp>,
    /// Whom: a node's key, or an instance's identifier without hyphens.
    pub used_by: Option<String>,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Timestamp>,
    /// By whom.
    pub withdrawn_by: Option<Actor>,
}

/// `GET /v1/join-tokens`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinTokenList {
    /// One page.
    pub tokens: Vec<JoinToken>,
    /// Give it as `before` to get the next page; none at the end.
    pub next: Option<JoinTokenId>,
}

/// A key that was let into a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its region.
    pub region: RegionName,
    /// Its name there. After a revocation another key may have the same.
    pub name: HostName,
    /// Its zone, once it has reported a service.
    pub zone: Option<ZoneName>,
    /// What it is there.
    pub role: Role,
    /// Its key's name.
    pub peer: PeerName,
    /// When it was let in.
    pub enrolled_at: Timestamp,
    /// When its certificate was last renewed.
    pub renewed_at: Option<Timestamp>,
    /// When its certificate ends unless it is renewed.
    pub certificate_until: Timestamp,
    /// Whether it has ended.
    pub expired: bool,
    /// When the key was revoked.
    pub revoked_at: Option<Timestamp>,
    /// By whom.
    pub revoked_by: Option<Actor>,
    /// Why.
    pub reason: Option<String>,
}

/// `GET /v1/nodes?region=NAME`, by region and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeList {
    /// One page.
    pub nodes: Vec<Node>,
    /// Give it as `after` to get the next page; none at the end.
    pub next: Option<String>,
}

/// `POST /v1/nodes/{region}/{name}/revoke`, which answers with the [`Node`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Why, for those who wonder later.
    pub reason: String,
}
