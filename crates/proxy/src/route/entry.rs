//! One target's counts.

use proxy_control::Target;

/// A target and what it has to do.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) target: Target,
    /// Requests whose response has not ended.
    pub(super) in_flight: u64,
    /// Upgraded connections that are open.
    pub(super) tunnels: u64,
    /// Requests that ended, and those of them that it failed.
    pub(super) ended: u64,
    pub(super) errors: u64,
}

impl Entry {
    pub(super) fn new(target: Target) -> Self {
        Self {
            target,
            in_flight: 0,
            tunnels: 0,
            ended: 0,
            errors: 0,
        }
    }

    pub(super) fn load(&self) -> u64 {
        self.in_flight + self.tunnels
    }
}
