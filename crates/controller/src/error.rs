//! What ends the controller.

/// Why the controller could not start or had to end. Trouble with a database or a region is not among
/// these: it is logged, and tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A region's etcd has an address that can never work.
    #[error("the etcd of region {region} cannot be used")]
    Region {
        /// Which region.
        region: model::RegionName,
        /// What is wrong with it.
        source: desired_state::Error,
    },
    /// A part of the controller panicked.
    #[error("a part of the controller failed")]
    Panicked(#[source] tokio::task::JoinError),
}
