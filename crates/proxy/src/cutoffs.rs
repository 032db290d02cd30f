//! When the tunnels of targets that drain are closed.

use crate::route::Route;
use proxy_control::Target;
use std::collections::HashMap;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// The ends of one service's tunnels, by target.
#[derive(Debug, Default)]
pub(crate) struct Cutoffs(HashMap<Target, Cutoff>);

#[derive(Debug, Default)]
struct Cutoff {
    token: CancellationToken,
    timer: Option<AbortHandle>,
}

impl Cutoffs {
    /// What ends a target's tunnels.
    pub(crate) fn token(&mut self, target: Target) -> CancellationToken {
        self.0.entry(target).or_default().token.clone()
    }

    /// Ends a target's tunnels after `tunnels_max`, unless that was said before.
    pub(crate) fn arm(&mut self, target: Target, tunnels_max: Duration) {
        let cutoff = self.0.entry(target).or_default();
        if cutoff.timer.is_none() {
            let token = cutoff.token.clone();
            let timer = tokio::spawn(async move {
                tokio::time::sleep(tunnels_max).await;
                token.cancel();
            });
            cutoff.timer = Some(timer.abort_handle());
        }
    }

    /// Spares the tunnels of targets that get requests again, and forgets those that the route forgot.
    pub(crate) fn follow(&mut self, route: &Route) {
        self.0.retain(|target, cutoff| {
            if route.gets_requests(*target) {
                if let Some(timer) = cutoff.timer.take() {
                    timer.abort();
                }
                // Those that were ended stay so; later ones are not.
                if cutoff.token.is_cancelled() {
                    cutoff.token = CancellationToken::new();
                }
            }
            route.knows(*target)
        });
    }
}
