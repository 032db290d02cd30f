//! What one region says of a deployment.

use model::RegionName;
use std::fmt::Write;

/// One region's hosts, counted for one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Which region.
    pub name: RegionName,
    /// Whether the region's etcd holds the deployment's release.
    pub told: bool,
    /// Whether the region's manager has reported lately. Of a region that has not, nothing is known.
    pub heard: bool,
    /// Hosts that are alive.
    pub hosts: u64,
    /// Of these, those that hold every byte of the release, verified; also those that run it already.
    pub staged: u64,
    /// Of these, those that run the release and are healthy.
    pub healthy: u64,
    /// Of these, those that say that something failed.
    pub errors: u64,
    /// What one of them says.
    pub error: Option<String>,
}

impl Region {
    pub(crate) fn all_staged(&self) -> bool {
        self.heard && self.staged >= self.hosts
    }

    pub(crate) fn all_healthy(&self) -> bool {
        self.heard && self.healthy >= self.hosts
    }
}

/// What is still missing, in words: `us-east-1 3 of 4 hosts staged; eu-west-1 is silent`.
pub(crate) fn shortfall(regions: &[Region], done: fn(&Region) -> u64, verb: &str) -> String {
    let mut text = String::new();
    for region in regions {
        let missing = region.hosts.saturating_sub(done(region));
        if region.heard && missing == 0 && region.hosts > 0 {
            continue;
        }
        let separator = if text.is_empty() { "" } else { "; " };
        let name = &region.name;
        // Writing to a string cannot fail.
        let _ = match (region.heard, region.hosts) {
            (false, _) => write!(text, "{separator}{name} is silent"),
            (true, 0) => write!(text, "{separator}{name} has no hosts"),
            (true, hosts) => write!(text, "{separator}{name} {} of {hosts} hosts {verb}", done(region)),
        };
        if let (1.., Some(error)) = (region.errors, &region.error) {
            let _ = write!(text, " ({} failed: {error})", region.errors);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortfall_names_every_region_that_lacks_something_and_why() {
        let region = |name: &str, heard, hosts, staged, error: Option<&str>| Region {
            name: name.parse().unwrap(),
            told: true,
            heard,
            hosts,
            staged,
            healthy: 0,
            errors: u64::from(error.is_some()),
            error: error.map(str::to_owned),
        };
        let regions = [
            region("complete", true, 4, 4, None),
            region("behind", true, 4, 1, Some("disk full")),
            region("silent", false, 4, 4, None),
            region("empty", true, 0, 0, None),
        ];
        assert_eq!(
            shortfall(&regions, |region| region.staged, "staged"),
            "behind 1 of 4 hosts staged (1 failed: disk full); silent is silent; empty has no hosts"
        );
    }
}
