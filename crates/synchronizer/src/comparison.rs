//! Comparing one replica with what it should be, and recording the result.

use crate::error::chain;
use crate::metrics;
use artifact_store::{Store, Verification};
use database::Builds;
use database::builds::ReplicaRow;
use model::ReplicaState;
use tracing::{info, warn};

/// Compares a replica in its region's store, and records what was found. A store that cannot be asked
/// changes nothing: not to know is not to have lost.
pub(crate) async fn compare(
    builds: &Builds,
    store: &Store,
    replica: &ReplicaRow,
) -> Result<(), database::Error> {
    let (artifact, region) = (&replica.artifact, &replica.region);
    let reason = match store.verify(artifact).await {
        Ok(Verification::Matches) => {
            metrics::count(metrics::COMPARISONS_TOTAL, region, "matches");
            if replica.state != ReplicaState::Verified {
                info!(artifact.id = %artifact, region.name = %region, "replica verified");
            }
            return builds.replica_verified(artifact, region).await;
        }
        Ok(Verification::Absent) => {
            metrics::count(metrics::COMPARISONS_TOTAL, region, "missing");
            "it is not in the region's store".to_owned()
        }
        Ok(Verification::Differs(reason)) => {
            metrics::count(metrics::COMPARISONS_TOTAL, region, "differs");
            reason
        }
        Err(error) => {
            warn!(
                error = &error as &dyn std::error::Error,
                artifact.id = %artifact,
                region.name = %region,
                "failed to ask a region's store"
            );
            return Ok(());
        }
    };
    if replica.state == ReplicaState::Verified {
        warn!(artifact.id = %artifact, region.name = %region, replica.reason = reason, "replica lost");
        return builds.replica_lost(artifact, region, &reason).await;
    }
    Ok(())
}

/// Records that a copy failed.
pub(crate) async fn record_failure(
    builds: &Builds,
    replica: &ReplicaRow,
    error: &artifact_store::Error,
) -> Result<(), database::Error> {
    warn!(
        error = error as &dyn std::error::Error,
        artifact.id = %replica.artifact,
        region.name = %replica.region,
        replica.failures = replica.failures + 1,
        "failed to copy; trying again later"
    );
    let reason = chain(error);
    builds
        .replica_failed(&replica.artifact, &replica.region, &reason)
        .await
}
