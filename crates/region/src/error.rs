//! What ends a manager.

/// Why a manager could not start or had to end. Trouble with etcd, the store, the API or a host is not among
/// these: it is logged, and tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The region's etcd has an address that can never work.
    #[error("the region's etcd cannot be used")]
    DesiredState(#[from] desired_state::Error),
    /// The store's configuration can never work.
    #[error("the region's store cannot be used")]
    Store(#[source] Box<artifact_store::Error>),
    /// The API's address or token can never work.
    #[error("the API cannot be used")]
    Api(#[source] reqwest::Error),
    /// The token holds characters that no header can carry.
    #[error("the API's token has characters that may not be in a header")]
    ApiToken,
    /// The node could not join the swarm.
    #[error("failed to join the swarm")]
    Swarm(#[from] swarm::Error),
    /// The swarm ended by itself, which it never should.
    #[error("the swarm ended")]
    SwarmEnded,
    /// A part of the manager panicked.
    #[error("a part of the manager failed")]
    Panicked(#[from] tokio::task::JoinError),
}
