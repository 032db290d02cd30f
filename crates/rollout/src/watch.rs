//! After a deployment has succeeded: whether its release stays well.

use model::{RegionName, RolloutPolicy};
use std::fmt::Write;
use std::time::Duration;

/// One region's hosts that run a release which has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedRegion {
    /// Which region.
    pub name: RegionName,
    /// Whether the region's manager has reported lately. Of a region that has not, nothing is known.
    pub heard: bool,
    /// Hosts that have the release, whether or not they are heard of.
    pub hosts: u64,
    /// Those that were well with it or with what ran before, and have not been for as long as the policy lets a host
    /// become healthy. A process that is restarted in between is none of them.
    pub unwell: u64,
    /// Those that are not heard of; none of the unwell. A machine that is gone is no release's doing.
    pub unknown: u64,
    /// What one that is unwell says.
    pub error: Option<String>,
}

/// A release that has succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched<'a> {
    /// What its engineer decided.
    pub policy: &'a RolloutPolicy,
    /// How long ago it succeeded.
    pub succeeded_ago: Duration,
    /// Whether a release is known that it could be rolled back to.
    pub can_roll_back: bool,
}

/// What is seen of a release that has succeeded, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is not watched any more.
    Over,
    /// No more hosts are unwell than may be.
    Well,
    /// More are, and nothing is done about it by itself.
    Alarm(String),
    /// More are: the last release that succeeded before is brought back.
    RollBack(String),
}

/// Looks at a release that has succeeded. The share that may fail is rounded up here: one machine of a few that breaks
/// later takes nothing back that is well everywhere else.
pub fn watch(watched: &Watched<'_>, regions: &[WatchedRegion]) -> Finding {
    let policy = watched.policy;
    if watched.succeeded_ago >= Duration::from_secs(policy.watch_seconds.into()) {
        return Finding::Over;
    }
    let heard = || regions.iter().filter(|region| region.heard);
    let unwell: u64 = heard().map(|region| region.unwell).sum();
    let hosts: u64 = regions.iter().map(|region| region.hosts).sum();
    let allowed = policy.failure_threshold.up_to(hosts);
    if unwell <= allowed {
        return Finding::Well;
    }
    let mut reason = format!(
        "{unwell} of {hosts} hosts became unhealthy after it had succeeded and have been so for {} s, and {allowed} may (failure_threshold {}):",
        policy.healthy_deadline_seconds, policy.failure_threshold
    );
    for region in heard().filter(|region| region.unwell > 0) {
        let said = region.error.as_deref().unwrap_or("no reason given");
        // Writing to a string cannot fail.
        let _ = write!(reason, " {} {} ({said})", region.name, region.unwell);
    }
    if policy.auto_rollback && watched.can_roll_back {
        Finding::RollBack(reason)
    } else {
        Finding::Alarm(reason)
    }
}
