//! What ends the synchronizer.

use model::RegionName;

/// Why the synchronizer could not start or had to end. Trouble with a database or a store is not among
/// these: it is logged and recorded, and tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A store's configuration can never work.
    #[error("the store of {place} cannot be used")]
    Store {
        /// The region, or `the workers`.
        place: String,
        /// What is wrong with it.
        source: Box<artifact_store::Error>,
    },
    /// A region is to copy from one that is not among the regions.
    #[error("region {region} is to copy from {near}, which is no region")]
    UnknownNear {
        /// Which region.
        region: RegionName,
        /// What it names.
        near: RegionName,
    },
    /// A part of the synchronizer panicked.
    #[error("a part of the synchronizer failed")]
    Panicked(#[source] tokio::task::JoinError),
}

/// An error with everything that caused it, for a place where people read one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
