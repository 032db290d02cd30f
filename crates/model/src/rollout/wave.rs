//! One wave: a part of the fleet that is moved and watched before the next.

use crate::{RegionName, Share, ZoneName};
use serde::{Deserialize, Serialize};

/// The most waves of one deployment.
pub const WAVES_MAX: usize = 64;

/// The order in which a region's hosts are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// By a hash of deployment and host: as good as random, and the same for everybody who asks.
    #[default]
    Hash,
    /// Zone by zone, by name; by hash inside a zone.
    Zones,
}

/// One wave. What it leaves out is as the policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// For people: `canary`, `us-east-1`.
    pub name: String,
    /// Only in these regions; in all where none is named.
    #[serde(default)]
    pub regions: Vec<RegionName>,
    /// Only in these zones of them, which must come in the order of their names over the waves; in all where none
    /// is named.
    #[serde(default)]
    pub zones: Vec<ZoneName>,
    /// How many of the hosts there have the release after this wave, earlier waves' included.
    #[serde(default = "everybody")]
    pub hosts: Share,
    /// Whether the hosts there only start the release beside what they run, and send it no request before a later wave.
    #[serde(default)]
    pub warm: bool,
    /// How many may be on their way at once, of the whole fleet.
    #[serde(default)]
    pub batch_size: Option<Share>,
    /// How long they are watched before the next wave.
    #[serde(default)]
    pub bake_seconds: Option<u32>,
    /// How many good answers in a row each must have given before the next wave.
    #[serde(default)]
    pub min_observations: Option<u32>,
}

fn everybody() -> Share {
    Share::ALL
}

/// Why a wave is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWave {
    /// A name that no table could show.
    #[error("a wave's name has 1 to 64 characters without control characters")]
    Name,
    /// A wave that moves nobody.
    #[error("wave {0:?} moves nobody: its `hosts` or `batch_size` is 0")]
    Nobody(String),
    /// A wave that moves nobody and says how.
    #[error(
        "wave {0:?} is `warm`, which all hosts of its regions are at once: leave its `zones`, `hosts` and `batch_size` out"
    )]
    Warm(String),
}

impl Wave {
    /// A wave of everybody everywhere.
    pub fn everybody(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            regions: Vec::new(),
            zones: Vec::new(),
            hosts: Share::ALL,
            warm: false,
            batch_size: None,
            bake_seconds: None,
            min_observations: None,
        }
    }

    /// Checks what the types alone cannot.
    pub fn validate(&self) -> Result<(), InvalidWave> {
        let name_ok = (1..=64).contains(&self.name.len()) && !self.name.chars().any(char::is_control);
        if !name_ok {
            return Err(InvalidWave::Name);
        }
        if self.hosts.is_none() || self.batch_size.is_some_and(Share::is_none) {
            return Err(InvalidWave::Nobody(self.name.clone()));
        }
        let by_part = !self.zones.is_empty() || self.hosts != Share::ALL || self.batch_size.is_some();
        if self.warm && by_part {
            return Err(InvalidWave::Warm(self.name.clone()));
        }
        Ok(())
    }
}
