//! An artifact's copy in one region's object store.

use crate::macros::word_enum;

word_enum!(
    /// Where a replica stands.
    ReplicaState {
        /// Nothing was copied yet.
        Pending = "PENDING",
        /// The replicator is at it.
        Copying = "COPYING",
        /// Size and checksum were compared in that region.
        Verified = "VERIFIED",
        /// The last try failed; it is tried again.
        Failed = "FAILED",
    }
);
