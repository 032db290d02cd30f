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
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A service's route, shared.
#[derive(Debug)]
pub(crate) struct Frontend {
    service: ServiceName,
    route: Mutex<Route>,
    /// Tells held requests to claim again.
    changed: watch::Sender<()>,
    hold_max: Duration,
    /// Until when an exchange holds requests, if there is one.
    exchange_until: Mutex<Option<Instant>>,
    cutoffs: Mutex<Cutoffs>,
}

impl Frontend {
    pub(crate) fn new(point: Point, mode: Mode, limits: Limits, hold_max: Duration) -> Self {
        Self {
            service: point.service.clone(),
            route: Mutex::new(Route::new(point, mode, limits)),
            changed: watch::Sender::new(()),
            hold_max,
            exchange_until: Mutex::default(),
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
        let deadline = Instant::now() + self.hold_max;
        loop {
            let held = Held(self);
            // What was changed between the claim and the subscription is seen here.
            if self.holds() {
                let until = self
                    .exchange_until()
                    .map_or(deadline, |until| until.min(deadline));
                let resumed = tokio::time::timeout_at(until, changed.changed()).await;
                if !matches!(resumed, Ok(Ok(()))) && self.holds() {
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

    /// Whether requests are held. An exchange that lasts too long is over.
    fn holds(&self) -> bool {
        let late = self.exchange_until().is_some_and(|until| until <= Instant::now());
        let mut route = self.route();
        if late {
            route.end_exchange();
        }
        route.holds()
    }

    /// Holds requests until the next point or `hold_max`; what the active target still has to do.
    pub(crate) fn exchange(&self, target: Target, hold_max: Duration, tunnels_max: Duration) -> (u64, u64) {
        let left = {
            let mut route = self.route();
            let left = route.exchange(target);
            if !route.is_exchanging() {
                return left;
            }
            left
        };
        self.exchange_until()
            .get_or_insert(Instant::now() + hold_max.min(self.hold_max));
        if left.1 > 0 {
            self.cutoffs().arm(target, tunnels_max);
        }
        left
    }

    fn exchange_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.exchange_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_point(&self, point: Point) -> Result<(), route::Error> {
        let mut route = self.route();
        route.set_point(point)?;
        self.cutoffs().follow(&route);
        drop(route);
        *self.exchange_until() = None;
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
