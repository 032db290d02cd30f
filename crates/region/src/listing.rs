//! What the region should run, asked of etcd on every hint and every few seconds.

use desired_state::DesiredState;
use model::control::RegionControls;
use model::{RegionService, ServiceName};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// Every service of the region, as it was listed last. `None` before the first listing: a leader that
/// knows nothing yet orders nothing.
pub(crate) type Services = Option<Arc<BTreeMap<ServiceName, RegionService>>>;

/// The task that lists; ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Listing {
    services: watch::Receiver<Services>,
    controls: watch::Receiver<RegionControls>,
    _task: AbortOnDropHandle<()>,
}

impl Listing {
    pub(crate) fn start(desired: DesiredState, period: Duration) -> Self {
        let (services_sender, services) = watch::channel(None);
        let (controls_sender, controls) = watch::channel(RegionControls::default());
        let task = tokio::spawn(list_for_ever(desired, period, services_sender, controls_sender));
        Self {
            services,
            controls,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn services(&self) -> watch::Receiver<Services> {
        self.services.clone()
    }

    /// What was said about the region's distributions, as it was listed last.
    pub(crate) fn controls(&self) -> watch::Receiver<RegionControls> {
        self.controls.clone()
    }
}

async fn list_for_ever(
    desired: DesiredState,
    period: Duration,
    services: watch::Sender<Services>,
    controls: watch::Sender<RegionControls>,
) {
    let mut watch = desired.watch(0);
    let mut watching = false;
    loop {
        match desired.list().await {
            Ok(mut snapshot) => {
                if !watching {
                    watch = desired.watch(snapshot.revision);
                    watching = true;
                }
                // First, so that whoever hears of a service knows what was said about its bytes.
                match snapshot.controls.take() {
                    Some(said) => drop(controls.send_if_modified(|known| {
                        let news = said.epoch > known.epoch;
                        if news {
                            *known = said;
                        }
                        news
                    })),
                    None => {
                        tracing::error!("the region's controls cannot be read; a newer version wrote them?")
                    }
                }
                services.send_if_modified(|known| take_in(known, snapshot));
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "failed to list the region's services; going on with those known"
                );
            }
        }
        // Both ends of the wait mean the same: list again.
        let _ = tokio::time::timeout(period, watch.changed()).await;
    }
}

/// Replaces what is known by a snapshot; whether that changes anything. An order that cannot be read is
/// no order to stop, so the last one that could be read stands.
fn take_in(known: &mut Services, snapshot: desired_state::Snapshot) -> bool {
    let mut listed: BTreeMap<_, _> = snapshot
        .services
        .into_iter()
        .map(|service| (service.service.clone(), service))
        .collect();
    for key in &snapshot.unreadable {
        tracing::error!(
            etcd.key = key,
            "a service's desired state cannot be read; a newer version wrote it?"
        );
        let name = key.rsplit('/').next().unwrap_or_default();
        let before = known
            .as_ref()
            .and_then(|known| known.iter().find(|(service, _)| service.as_str() == name));
        if let Some((service, desired)) = before {
            listed.insert(service.clone(), desired.clone());
        }
    }
    if known.as_deref() == Some(&listed) {
        return false;
    }
    *known = Some(Arc::new(listed));
    true
}
