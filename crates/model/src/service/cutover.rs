//! How one release takes over from another on the same host.

use super::{InvalidServiceSpec, Split};
use serde::{Deserialize, Serialize};

/// The longest wait of a cut-over, in seconds.
const WAIT_SECONDS_MAX: u32 = 24 * 3600;

/// Whether two releases of a service may run at the same time on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// The old one has ended before the new one starts: for workers, and for what holds a volume.
    #[default]
    Never,
    /// The new one starts beside the old one, which serves until the new one is healthy.
    Always,
}

/// The waits of a cut-over from an old release (blue) to a new one (green).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cutover {
    /// How long green may take to become healthy before it is stopped as failed.
    pub healthy_deadline_seconds: u32,
    /// How long blue's requests in flight are waited for.
    pub drain_seconds: u32,
    /// How long blue is kept running after that, for an instant swap back.
    pub warm_seconds: u32,
    /// What goes to green before everything does; everything at once where there is none.
    pub split: Option<Split>,
}

impl Default for Cutover {
    fn default() -> Self {
        Self {
            healthy_deadline_seconds: 300,
            drain_seconds: 30,
            warm_seconds: 60,
            split: None,
        }
    }
}

impl Cutover {
    /// Keeps blue for so long at least, as far as a wait may go.
    pub fn stay_warm(&mut self, seconds: u32) {
        self.warm_seconds = self.warm_seconds.max(seconds.min(WAIT_SECONDS_MAX));
    }

    /// How long green takes a part only, in seconds.
    pub fn split_seconds(&self) -> u32 {
        self.split.as_ref().map_or(0, |split| split.seconds)
    }

    pub(super) fn validate(&self) -> Result<(), InvalidServiceSpec> {
        if let Some(split) = &self.split {
            split.validate()?;
        }
        let waits = [
            ("healthy_deadline_seconds", self.healthy_deadline_seconds, 1),
            ("drain_seconds", self.drain_seconds, 0),
            ("warm_seconds", self.warm_seconds, 0),
        ];
        match waits
            .into_iter()
            .find(|(_, seconds, least)| !(*least..=WAIT_SECONDS_MAX).contains(seconds))
        {
            Some((name, ..)) => Err(InvalidServiceSpec::Cutover(name)),
            None => Ok(()),
        }
    }
}
