//! Reading what the region should run: by listing, which is the truth, and sooner when the watch hints.

use crate::leading::Leading;
use desired_state::{DesiredState, Snapshot, Watch};
use model::DesiredService;
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, info, warn};

/// The most time between two listings.
const LIST_INTERVAL: Duration = Duration::from_secs(3);

/// Follows the desired state for ever.
pub(crate) async fn follow(state: DesiredState, leading: Arc<Leading>) {
    let mut watch: Option<Watch> = None;
    loop {
        match state.list().await {
            Ok(snapshot) => {
                watch.get_or_insert_with(|| state.watch(snapshot.revision));
                take(&leading, snapshot);
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "failed to read what the region should run; keeping what is known"
            ),
        }
        let hinted = async {
            match &mut watch {
                Some(watch) => watch.changed().await,
                None => std::future::pending().await,
            }
        };
        // Both ends of the wait mean the same: list again.
        let _ = tokio::time::timeout(LIST_INTERVAL, hinted).await;
    }
}

fn take(leading: &Leading, snapshot: Snapshot) {
    for key in &snapshot.unreadable {
        error!(etcd.key = key, "a service's desired state cannot be read; keeping what is known of it");
    }
    leading.desired.send_if_modified(|known| {
        let merged = merge(known.as_deref().unwrap_or_default(), snapshot);
        if known.as_deref() == Some(&merged) {
            return false;
        }
        for desired in &merged {
            info!(
                service.name = %desired.service,
                service.epoch = %desired.epoch,
                service.release = %desired.release,
                service.directive = %desired.directive,
                "the region should run"
            );
        }
        *known = Some(merged.into());
        true
    });
}

/// What the region should run after a listing: never an older epoch than was known, and what could not be
/// read as it was known.
fn merge(known: &[DesiredService], snapshot: Snapshot) -> Vec<DesiredService> {
    let unreadable = |desired: &DesiredService| {
        let name = desired.service.as_str();
        let mut names = snapshot.unreadable.iter().filter_map(|key| key.rsplit('/').next());
        names.any(|unreadable| unreadable == name)
    };
    let mut merged: Vec<DesiredService> = known.iter().filter(|known| unreadable(known)).cloned().collect();
    for listed in snapshot.services {
        let before = known.iter().find(|known| known.service == listed.service);
        match before.filter(|before| before.epoch > listed.epoch) {
            Some(newer) => merged.push(newer.clone()),
            None => merged.push(listed),
        }
    }
    merged.sort_by(|one, other| one.service.cmp(&other.service));
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::deployment::Directive;
    use model::{ArtifactId, DeploymentId, Epoch, ReleaseNumber};

    fn desired(service: &str, epoch: i64) -> DesiredService {
        let spec = serde_json::json!({ "target": "//web:web", "command": ["bin/web"] });
        DesiredService {
            service: service.parse().unwrap(),
            epoch: Epoch(epoch),
            deployment: "01890a5d-ac96-774b-bcce-b302099a8057".parse::<DeploymentId>().unwrap(),
            release: ReleaseNumber(epoch),
            artifact: ArtifactId([7; 32]),
            directive: Directive::Stage,
            spec: serde_json::from_value(spec).unwrap(),
        }
    }

    fn listed(services: Vec<DesiredService>, unreadable: &[&str]) -> Snapshot {
        Snapshot {
            services,
            unreadable: unreadable.iter().map(|name| format!("/starling/r/services/{name}")).collect(),
            revision: 1,
        }
    }

    #[test]
    fn an_older_epoch_and_an_unreadable_value_change_nothing_that_is_known() {
        let known = [desired("api", 5), desired("web", 5)];
        let merged = merge(&known, listed(vec![desired("api", 4), desired("new", 1)], &["web", "odd"]));
        assert_eq!(merged, [desired("api", 5), desired("new", 1), desired("web", 5)]);
    }

    #[test]
    fn a_newer_epoch_takes_the_place_and_a_deleted_service_goes() {
        let known = [desired("api", 5), desired("web", 5)];
        assert_eq!(merge(&known, listed(vec![desired("web", 6)], &[])), [desired("web", 6)]);
    }
}
