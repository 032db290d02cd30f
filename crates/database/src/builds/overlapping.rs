//! Whether a release can wait for its turn beside what runs, as some strategies ask.

use super::deploy::NewDeployment;
use crate::Error;
use model::service::Overlap;
use model::{Layer, ReleaseNumber, ServiceSpec};

/// Refuses a release that could never be warm on its hosts, and has what runs there stay warm, once it was replaced, for
/// as long as the newcomer is judged: the way back is then as quick as the switch.
pub(super) fn fit(spec: &mut ServiceSpec, new: &NewDeployment, below: &[Layer]) -> Result<(), Error> {
    if !new.policy.warms() {
        return Ok(());
    }
    if let Some(release) = alone(spec, new, below) {
        return Err(Error::NoOverlap {
            service: new.service.clone(),
            strategy: new.policy.strategy,
            release,
        });
    }
    let judged_after = new.policy.judged_after_seconds();
    spec.cutover
        .stay_warm(judged_after.saturating_add(spec.cutover.split_seconds()));
    Ok(())
}

/// Which release runs alone: the new one, which has no number for whoever asks, or one that some of its hosts run.
fn alone(spec: &ServiceSpec, new: &NewDeployment, below: &[Layer]) -> Option<Option<ReleaseNumber>> {
    if spec.overlap == Overlap::Never {
        return Some(None);
    }
    let runs = |layer: &&Layer| layer.selector.covers(&new.selector) || new.selector.covers(&layer.selector);
    let mut running = below.iter().filter(runs);
    let alone = running.find(|layer| layer.spec.overlap == Overlap::Never)?;
    Some(Some(alone.release))
}
