//! One service as the threads share it: its route behind a lock, and who waits for it to change.

use crate::claim::Claim;
use crate::cutoffs::Cutoffs;
use crate::refusal::Refused;
use crate::route::{self, Limits, Refusal, Route, Verdict};
use crate::sticky;
use hyper::HeaderMap;
use model::ServiceName;
use proxy_control::{Mode, Point, ServiceStatus, Target};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A service's route, shared.
#[derive(Debug)]
pub(crate) struct Frontend {
    service: ServiceName,
    route: Mutex<Route>,
    /// Tells held requests to claim again.
    changed: watch::Sender<()>,
    hold_max: Duration,
    cutoffs: Mutex<Cutoffs>,
}

impl Frontend {
    pub(crate) fn new(point: Point, mode: Mode, limits: Limits, hold_max: Duration) -> Self {
        Self {
            service: point.service.clone(),
            route: Mutex::new(Route::new(point, mode, limits)),
            changed: watch::Sender::new(()),
            hold_max,
            cutoffs: Mutex::default(),
        }
    }

    pub(crate) fn service(&self) -> &ServiceName {
        &self.service
    }

    /// The route. Nobody panics while holding it; if somebody did, its counts would still be whole, since each change
    /// is a few assignments.
    pub(crate) fn route(&self) -> MutexGuard<'_, Route> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims a target for a request with these headers, waiting while the service is paused.
    pub(crate) async fn claim(self: &Arc<Self>, headers: &HeaderMap) -> Result<Claim, Refused> {
        match self.try_claim(headers)? {
            Some(claim) => Ok(claim),
            None => self.claim_when_resumed(headers).await,
        }
    }

    /// A claim, or `None` if the request is counted as held.
    fn try_claim(self: &Arc<Self>, headers: &HeaderMap) -> Result<Option<Claim>, Refused> {
        let mut route = self.route();
        let (wish, tell) = sticky::wish(route.point(), headers);
        match route.claim(wish) {
            Verdict::Go(target) => {
                let point = route.point();
                let cookie = tell.then(|| sticky::set_cookie(point, target.release)).flatten();
                let protocol = point.protocol;
                drop(route);
                Ok(Some(Claim::new(self.clone(), target, protocol, cookie)))
            }
            Verdict::Hold => Ok(None),
            Verdict::Refuse(refusal) => Err(Refused::Route(refusal)),
        }
    }

    async fn claim_when_resumed(self: &Arc<Self>, headers: &HeaderMap) -> Result<Claim, Refused> {
        let mut changed = self.changed.subscribe();
        let deadline = tokio::time::Instant::now() + self.hold_max;
        loop {
            let held = Held(self);
            // What was changed between the claim and the subscription is seen here.
            if self.route().mode() == Mode::Pause {
                let resumed = tokio::time::timeout_at(deadline, changed.changed()).await;
                if !matches!(resumed, Ok(Ok(()))) {
                    self.route().failed();
                    return Err(Refused::Route(Refusal::HeldTooLong));
                }
            }
            drop(held);
            if let Some(claim) = self.try_claim(headers)? {
                return Ok(claim);
            }
        }
    }

    pub(crate) fn set_point(&self, point: Point) -> Result<(), route::Error> {
        let mut route = self.route();
        route.set_point(point)?;
        self.cutoffs().follow(&route);
        drop(route);
        self.changed.send_replace(());
        Ok(())
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        self.route().set_mode(mode);
        self.changed.send_replace(());
    }

    /// What a target still has to do; its tunnels end after `tunnels_max`, unless they have a limit already.
    pub(crate) fn drain(&self, target: Target, tunnels_max: Duration) -> Result<(u64, u64), route::Error> {
        let route = self.route();
        let left = route.drain(target)?;
        if left.1 > 0 {
            self.cutoffs().arm(target, tunnels_max);
        }
        Ok(left)
    }

    /// What ends a target's tunnels.
    pub(crate) fn cutoff(&self, target: Target) -> CancellationToken {
        self.cutoffs().token(target)
    }

    /// Waits until the route changes, but no longer than this.
    pub(crate) async fn changed_within(&self, limit: Duration) {
        let mut changed = self.changed.subscribe();
        // Either is a reason to look again.
        let _ = tokio::time::timeout(limit, changed.changed()).await;
    }

    pub(crate) fn status(&self) -> ServiceStatus {
        self.route().status()
    }

    fn cutoffs(&self) -> MutexGuard<'_, Cutoffs> {
        self.cutoffs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a request as held until it is dropped, which also happens when its client goes away.
struct Held<'a>(&'a Frontend);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.route().let_go();
    }
}
