//! What can go wrong between us and a region's etcd.

/// Why a region's desired state could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// etcd could not be reached, or refused.
    #[error("failed to {action} in etcd")]
    Etcd {
        /// What was tried.
        action: &'static str,
        /// What etcd or its client said.
        source: Box<etcd_client::Error>,
    },
    /// etcd did not answer in time; whether it did what was asked is not known.
    #[error("failed to {action} in etcd: no answer in time")]
    TimedOut {
        /// What was tried.
        action: &'static str,
    },
    /// An answer of etcd lacked a part that it always has.
    #[error("failed to {action} in etcd: the answer is incomplete")]
    Incomplete {
        /// What was tried.
        action: &'static str,
    },
    /// Somebody else's bytes lie where a desired state should be.
    #[error("the key {key:?} holds something other than a desired state")]
    Undecodable {
        /// The key.
        key: String,
        /// What the decoder said.
        source: serde_json::Error,
    },
    /// One epoch was given to two different values, which a correct publisher never does.
    #[error("epoch {epoch} of {key} is already used by another value")]
    EpochReused {
        /// The key.
        key: String,
        /// Which.
        epoch: model::Epoch,
    },
    /// A desired state that cannot be written down.
    #[error("failed to encode a desired state")]
    Encode(#[source] serde_json::Error),
    /// Others changed the same key again and again.
    #[error("failed to publish {0}: other publishers were faster every time")]
    Contended(String),
    /// The region holds more services than a host may have.
    #[error("the region has more than {} services", model::host::SERVICES_MAX)]
    TooManyServices,
    /// The lease ended before the election did.
    #[error("the lease expired while campaigning")]
    LeaseLost,
    /// The caller stopped the campaign.
    #[error("the campaign was stopped")]
    Stopped,
}

impl Error {
    pub(crate) fn etcd(action: &'static str, source: etcd_client::Error) -> Self {
        Self::Etcd {
            action,
            source: Box::new(source),
        }
    }
}
