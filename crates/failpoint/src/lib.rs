//! Beside the house: the places where a fault test kills a process.
//!
//! There is a [`Point`] behind each step that lasts: whatever was written there is found by whoever goes on. Where a
//! test asks for it, [`reach`] ends the process as `kill -9` does, with nothing said and nothing cleaned up. It asks by
//! a file of the point's name in the folder that [`FOLDER_VARIABLE`] names; the file is removed first, so that the
//! process dies there once and its successor goes on.
//!
//! All of this is in debug builds alone. In a release build [`reach`] is empty, and no variable is read.

/// The environment variable that names the folder of a test's orders.
pub const FOLDER_VARIABLE: &str = "STARLING_FAILPOINTS";

macro_rules! points {
    ($($(#[doc = $doc:literal])+ $point:ident = $name:literal,)+) => {
        /// A place where a process can be killed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Point {
            $($(#[doc = $doc])+ $point,)+
        }

        impl Point {
            /// All of them, in the order in which a build and its deployment come by.
            pub const ALL: &[Self] = &[$(Self::$point,)+];

            /// The role, and what it has just done.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

points! {
    /// A build was inserted, and nobody told.
    ApiEnqueued = "api.enqueued",
    /// A worker holds a lease.
    WorkerClaimed = "worker.claimed",
    /// The commit's files are laid out.
    WorkerCheckedOut = "worker.checked-out",
    /// The command has left its outputs.
    WorkerBuilt = "worker.built",
    /// A multipart upload was begun for a worker, who was not told.
    ApiUploadBegun = "api.upload-begun",
    /// A worker was told of an upload.
    WorkerUploadBegun = "worker.upload-begun",
    /// The store has a part.
    WorkerPartSent = "worker.part-sent",
    /// The store has every part.
    WorkerAllSent = "worker.all-sent",
    /// The database was told what is about to be published.
    ApiSetOut = "api.set-out",
    /// The upload was completed.
    ApiUploadCompleted = "api.upload-completed",
    /// The manifest is in the main store.
    ApiPublished = "api.published",
    /// A worker was told that its artifact is published.
    WorkerPublished = "worker.published",
    /// The build has SUCCEEDED, and its worker was not told.
    ApiSucceeded = "api.succeeded",
    /// A worker was told that its build has SUCCEEDED.
    WorkerSucceeded = "worker.succeeded",
    /// A lost build was given back.
    ReaperTook = "reaper.took",
    /// A build's artifact was recorded, and its replicas asked for.
    SynchronizerRecorded = "synchronizer.recorded",
    /// A replica is COPYING.
    ReplicatorBegun = "replicator.begun",
    /// A region's store has a part.
    ReplicatorPartCopied = "replicator.part-copied",
    /// A region's store has the content.
    ReplicatorContentCopied = "replicator.content-copied",
    /// A region's store has the manifest.
    ReplicatorCopied = "replicator.copied",
    /// A replica is VERIFIED.
    ReplicatorVerified = "replicator.verified",
    /// A build's log is in the main store.
    ArchiverStored = "archiver.stored",
    /// A build's log has left the database.
    ArchiverMoved = "archiver.moved",
    /// A deployment is in its next state.
    RolloutEntered = "rollout.entered",
    /// More hosts have their turn, as the database says.
    RolloutMoved = "rollout.moved",
    /// A deployment that went wrong has its rollback.
    RolloutRolledBack = "rollout.rolled-back",
    /// A region's etcd holds what the database does not know to be there.
    PublisherTold = "publisher.told",
}

/// Ends the process here if a test asked for it.
#[inline]
pub fn reach(point: Point) {
    #[cfg(debug_assertions)]
    if orders::take(point) {
        // No destructor runs, no buffer is flushed, and whoever waits for an answer gets none.
        std::process::abort();
    }
    #[cfg(not(debug_assertions))]
    let _ = point;
}

#[cfg(debug_assertions)]
mod orders {
    use super::{FOLDER_VARIABLE, Point};
    use std::path::PathBuf;
    use std::sync::LazyLock;

    static FOLDER: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from));

    /// Whether an order was there; only one process gets it.
    pub(super) fn take(point: Point) -> bool {
        let order = FOLDER.as_ref().map(|folder| folder.join(point.name()));
        order.is_some_and(|order| std::fs::remove_file(order).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::Point;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_points_have_one_name() {
        let names: BTreeSet<_> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
    }
}
