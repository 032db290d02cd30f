//! One process after the other, where two releases may not run at the same time.
//!
//! The frontend holds new requests, the process ends those that it has, and is stopped; what waits is answered by the next
//! process once that is healthy. Neither a frontend that is away nor a request that doesn't end puts this off for long: the
//! frontend holds requests for [`EXCHANGE_MAX`](crate::frontend::EXCHANGE_MAX) only, and the start takes its part of it.

use super::cutover::{passed, target};
use super::{Action, Health, Process, Seat, World, stop};
use crate::frontend::Target;
use std::time::Instant;

/// The longest part of the time in which requests are held that goes to the process that ends, in seconds.
const LEAVE_SECONDS_MAX: u32 = 10;

impl Seat {
    /// The next step while the only process is not the one that should run, and wasn't `since` then, if it is known.
    pub(super) fn exchange(&mut self, now: Instant, world: &World, since: Option<Instant>) -> Option<Action> {
        let since = *self.waits.leaves_since.insert(since.unwrap_or(now));
        let idle = is_unwell(&world.process) || world.front.held == Some(0);
        if idle || passed(now, since, self.leave_seconds()) {
            stop(&world.process)
        } else {
            None
        }
    }

    /// The process whose requests are to be held, since it will be exchanged for another one.
    pub fn leaves(&self) -> Option<Target> {
        self.waits.leaves_since?;
        self.record.task.as_ref().map(target)
    }

    pub(super) fn leave_seconds(&self) -> u32 {
        self.times().drain_seconds.min(LEAVE_SECONDS_MAX)
    }
}

/// Whether a process answers badly, so that it has no requests worth waiting for. One that this agent hasn't asked yet may
/// have served for long.
fn is_unwell(process: &Process) -> bool {
    match process {
        Process::Up { health, .. } => matches!(health, Health::Silent(Some(_)) | Health::Failing(_)),
        Process::Absent | Process::Stopping { .. } => true,
    }
}
