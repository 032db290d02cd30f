//! Where one service's requests go: the rule, without I/O, clock or randomness.
//!
//! Every request claims its target and gives the claim back when its response has ended; both happen while the route's
//! lock is held, and so does a swap. Hence a target that was swapped out is claimed by nobody any more, and once its
//! counts are 0 they stay 0: its task can be stopped without failing a request.

mod entry;

use entry::Entry;
use model::ReleaseNumber;
use proxy_control::{Mode, Point, ServiceStatus, Standing, Target, TargetStatus};

/// The most targets that a service has at once, those that still drain included.
pub const TARGETS_MAX: usize = 12;
/// The number of buckets that requests are drawn from, so that a share is a whole number of them.
pub const BUCKETS: u32 = 100;

/// What a request knows of itself that matters to a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The release that answered this client before, if it says so.
    pub release: Option<ReleaseNumber>,
    /// A draw of 0 to 99, evenly spread: by chance, or the same for all requests that shall stay together.
    pub bucket: u32,
}

/// What a request is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is counted at this target, and must be given back.
    Go(Target),
    /// It waits until the route changes; it is counted as held, and must be let go.
    Hold,
    /// It is answered with an error.
    Refuse(Refusal),
}

/// Why a request is not sent to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The service is in maintenance.
    Maintenance,
    /// As many requests wait as may.
    HeldMax,
    /// It waited as long as it may.
    HeldTooLong,
    /// The target has as many requests as it may.
    InFlightMax,
}

/// What may be on its way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests held by a pause.
    pub held_max: u64,
    /// Requests and tunnels at one target.
    pub in_flight_max: u64,
}

/// Why a target can't be pointed at or drained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too many releases still have requests.
    #[error("{TARGETS_MAX} targets are in use or still drain; wait for one to end")]
    TargetsMax,
    /// It would never drain.
    #[error("release {} on port {} still gets requests; point them elsewhere first", .0.release, .0.port)]
    InUse(Target),
}

/// The route of one service.
#[derive(Debug)]
pub struct Route {
    point: Point,
    mode: Mode,
    /// The only task is about to be exchanged for another one: requests wait for that.
    exchanging: bool,
    limits: Limits,
    /// The active one first, then as they came.
    targets: Vec<Entry>,
    held_now: u64,
    held: u64,
    requests: u64,
    failures: u64,
    swaps: u64,
}

impl Route {
    /// A route that sends requests where a valid `point` says.
    pub fn new(point: Point, mode: Mode, limits: Limits) -> Self {
        let targets = point.targets().map(Entry::new).collect();
        Self {
            point,
            mode,
            exchanging: false,
            limits,
            targets,
            held_now: 0,
            held: 0,
            requests: 0,
            failures: 0,
            swaps: 0,
        }
    }

    /// Where requests go.
    pub fn point(&self) -> &Point {
        &self.point
    }

    /// What becomes of requests.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Counts a request at the target it shall go to.
    pub fn claim(&mut self, wish: Wish) -> Verdict {
        match self.mode {
            Mode::Serve if !self.exchanging => self.choose(wish),
            Mode::Maintenance => self.refuse(Refusal::Maintenance),
            _ if self.held_now >= self.limits.held_max => self.refuse(Refusal::HeldMax),
            Mode::Serve | Mode::Pause => {
                self.held_now += 1;
                self.held += 1;
                Verdict::Hold
            }
        }
    }

    /// Whether requests are held.
    pub fn holds(&self) -> bool {
        match self.mode {
            Mode::Serve => self.exchanging,
            Mode::Pause => true,
            Mode::Maintenance => false,
        }
    }

    /// Holds requests until the next point or [`Self::end_exchange`], if this is the active target; what it still has to
    /// do, as (requests, tunnels).
    pub fn exchange(&mut self, target: Target) -> (u64, u64) {
        self.exchanging |= target == self.point.active;
        let entry = self.targets.iter().find(|entry| entry.target == target);
        entry.map_or((0, 0), |entry| (entry.in_flight, entry.tunnels))
    }

    /// Requests are held for no exchange any more.
    pub fn end_exchange(&mut self) {
        self.exchanging = false;
    }

    fn choose(&mut self, wish: Wish) -> Verdict {
        let target = self.side(wish);
        let limit = self.limits.in_flight_max;
        let entry = self.entry(target);
        if entry.load() >= limit {
            return self.refuse(Refusal::InFlightMax);
        }
        entry.in_flight += 1;
        self.requests += 1;
        Verdict::Go(target)
    }

    fn side(&self, wish: Wish) -> Target {
        let split = &self.point.split;
        if split.is_empty() {
            return self.point.active;
        }
        let known = |release| self.point.targets().find(|target| target.release == release);
        if let Some(target) = wish.release.and_then(known) {
            return target;
        }
        let mut from = 0;
        for share in split {
            from += u32::from(share.percent);
            if wish.bucket < from {
                return share.target;
            }
        }
        self.point.active
    }

    fn refuse(&mut self, refusal: Refusal) -> Verdict {
        self.failures += 1;
        Verdict::Refuse(refusal)
    }

    /// Lets a held request go, to claim again or to end.
    pub fn let_go(&mut self) {
        self.held_now -= 1;
    }

    /// Counts a request that the proxy answered with an error after it was let go or given back.
    pub fn failed(&mut self) {
        self.failures += 1;
    }

    /// Gives a claim back of a request that the target has `failed` or not; whether it still gets requests, so that a
    /// connection to it is worth keeping.
    pub fn release(&mut self, target: Target, failed: bool) -> bool {
        let entry = self.entry(target);
        entry.in_flight -= 1;
        entry.ended += 1;
        entry.errors += u64::from(failed);
        self.gets_requests(target)
    }

    /// Turns a claim into a tunnel.
    pub fn upgrade(&mut self, target: Target) {
        let entry = self.entry(target);
        entry.in_flight -= 1;
        entry.tunnels += 1;
    }

    /// Gives a tunnel back.
    pub fn close_tunnel(&mut self, target: Target) {
        self.entry(target).tunnels -= 1;
    }

    /// Whether [`Self::set_point`] would take this point; it will until another one is set.
    ///
    /// # Errors
    /// [`Error::TargetsMax`] if too many others still have requests.
    pub fn check_point(&self, point: &Point) -> Result<(), Error> {
        // What gets requests now counts as busy, since it may be by then.
        let kept = |entry: &&Entry| {
            let takes_part = point.targets().any(|target| target == entry.target);
            takes_part || entry.load() > 0 || self.gets_requests(entry.target)
        };
        let fresh = |target: &Target| self.targets.iter().all(|entry| entry.target != *target);
        let needed = self.targets.iter().filter(kept).count() + point.targets().filter(fresh).count();
        if needed > TARGETS_MAX {
            return Err(Error::TargetsMax);
        }
        Ok(())
    }

    /// Sends requests elsewhere, from the next claim on. Targets that get none any more stay known while there is room.
    ///
    /// # Errors
    /// As [`Self::check_point`]; nothing has changed then.
    pub fn set_point(&mut self, point: Point) -> Result<(), Error> {
        self.check_point(&point)?;
        if point.active != self.point.active {
            self.swaps += 1;
        }
        for target in point.targets() {
            if self.targets.iter().all(|entry| entry.target != target) {
                self.targets.push(Entry::new(target));
            }
        }
        self.point = point;
        self.exchanging = false;
        while self.targets.len() > TARGETS_MAX {
            self.forget_oldest();
        }
        let active = self.point.active;
        self.targets.sort_by_key(|entry| entry.target != active);
        Ok(())
    }

    fn forget_oldest(&mut self) {
        let idle = |entry: &Entry| entry.load() == 0 && !self.gets_requests(entry.target);
        if let Some(oldest) = self.targets.iter().position(idle) {
            self.targets.remove(oldest);
        }
    }

    /// Changes what becomes of requests, from the next claim on.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// What a target still has to do, as (requests, tunnels).
    ///
    /// # Errors
    /// [`Error::InUse`] if it still gets requests.
    pub fn drain(&self, target: Target) -> Result<(u64, u64), Error> {
        if self.gets_requests(target) {
            return Err(Error::InUse(target));
        }
        let entry = self.targets.iter().find(|entry| entry.target == target);
        Ok(entry.map_or((0, 0), |entry| (entry.in_flight, entry.tunnels)))
    }

    /// Whether requests wait for an exchange of the only task.
    pub fn is_exchanging(&self) -> bool {
        self.exchanging
    }

    /// Whether a target takes part.
    pub fn gets_requests(&self, target: Target) -> bool {
        self.point.targets().any(|other| other == target)
    }

    /// Whether a target takes part, or did and isn't forgotten.
    pub fn knows(&self, target: Target) -> bool {
        self.targets.iter().any(|entry| entry.target == target)
    }

    /// Everything there is to tell.
    pub fn status(&self) -> ServiceStatus {
        let target = |entry: &Entry| TargetStatus {
            target: entry.target,
            standing: self.standing(entry),
            in_flight: entry.in_flight,
            tunnels: entry.tunnels,
            ended: entry.ended,
            errors: entry.errors,
        };
        ServiceStatus {
            point: self.point.clone(),
            mode: self.mode,
            targets: self.targets.iter().map(target).collect(),
            requests: self.requests,
            failures: self.failures,
            swaps: self.swaps,
            held: self.held,
            held_now: self.held_now,
        }
    }

    fn standing(&self, entry: &Entry) -> Standing {
        if entry.target == self.point.active {
            Standing::Active
        } else if self.gets_requests(entry.target) {
            Standing::Share
        } else if entry.load() > 0 {
            Standing::Draining
        } else {
            Standing::Warm
        }
    }

    /// The entry of a target that is claimed or takes part, and so is known.
    fn entry(&mut self, target: Target) -> &mut Entry {
        let known = self.targets.iter_mut().find(|entry| entry.target == target);
        known.expect("what is claimed or takes part is never forgotten")
    }
}

#[cfg(test)]
mod tests;
