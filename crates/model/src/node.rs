//! Nodes of a region's swarm, and how an operator lets one in.

use crate::macros::{checked_string, uuid_id, word_enum};
use serde::{Deserialize, Serialize};

/// The longest peer id in its text form, in bytes. An ed25519 key's has 52.
const PEER_ID_LENGTH_MAX: usize = 64;
/// The most revoked peers that a manager is told; of more, those revoked last.
pub const REVOKED_MAX: usize = 10_000;

word_enum! {
    /// What a node is to its region.
    Role {
        /// Runs services and exchanges pieces with other hosts.
        Host = "HOST",
        /// Seeds artifacts and gives orders.
        Manager = "MANAGER",
    }
}

word_enum! {
    /// What a join token lets in.
    JoinTokenRole {
        /// A host of the region's swarm.
        Host = "HOST",
        /// A manager of the region.
        Manager = "MANAGER",
        /// A program that is none of our agents: into the inventory, and nowhere else.
        Instance = "INSTANCE",
    }
}

impl From<Role> for JoinTokenRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Host => Self::Host,
            Role::Manager => Self::Manager,
        }
    }
}

word_enum! {
    /// What has become of a join token.
    JoinTokenState {
        /// It lets one node in.
        Open = "OPEN",
        /// It has let one in, and lets in no other.
        Used = "USED",
        /// Nobody used it in time.
        Expired = "EXPIRED",
        /// An operator took it back before anybody used it.
        Withdrawn = "WITHDRAWN",
    }
}

uuid_id! {
    /// A join token's name, which is no secret.
    JoinTokenId
}

/// A libp2p peer id in its usual text form, the name of a node's key. Whether any key has this name is
/// for the swarm to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerName(String);

/// Why a text is no peer id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a peer id is 1 to 64 letters and digits, such as 12D3KooW…")]
pub struct InvalidPeerName;

impl PeerName {
    fn check(text: &str) -> Result<(), InvalidPeerName> {
        let fits = (1..=PEER_ID_LENGTH_MAX).contains(&text.len());
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if fits && plain {
            Ok(())
        } else {
            Err(InvalidPeerName)
        }
    }
}

checked_string!(PeerName, InvalidPeerName);

/// `GET /v1/regions/{region}/revoked`, by the region's managers: whom nobody may talk to any more,
/// although a certificate that has not expired says otherwise. The whole list, the last revoked first,
/// at most [`REVOKED_MAX`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedPeers {
    /// Their keys.
    pub peers: Vec<PeerName>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_name_is_short_and_plain() {
        assert!("12D3KooWGzBa8i9".parse::<PeerName>().is_ok());
        for bad in ["", "a b", "a/b", "é", &"x".repeat(65)] {
            assert_eq!(bad.parse::<PeerName>(), Err(InvalidPeerName), "{bad:?}");
        }
    }
}
