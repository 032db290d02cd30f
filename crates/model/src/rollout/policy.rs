//! The policy of one deployment.

use super::wave::{InvalidWave, WAVES_MAX, Wave};
use crate::Share;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The longest time that a policy may name, in seconds: a week.
const SECONDS_MAX: u32 = 7 * 24 * 3_600;

/// By which waves a release reaches its hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Everybody at the same time.
    AllAtOnce,
    /// A window of `batch_size` that slides over the fleet.
    #[default]
    Rolling,
    /// The shares that `steps` names, each watched before the next.
    Percentage,
    /// One host, then a tenth, then the rest.
    Canary,
    /// Region after region.
    Regions,
    /// Zone after zone, in one region after the other.
    Zones,
    /// Beside what runs on every host, without a request, and then everybody at the same time.
    BlueGreen,
    /// What `waves` names.
    Waves,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 8] = [
        Self::AllAtOnce,
        Self::Rolling,
        Self::Percentage,
        Self::Canary,
        Self::Regions,
        Self::Zones,
        Self::BlueGreen,
        Self::Waves,
    ];
}

impl fmt::Display for Strategy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::AllAtOnce => "all-at-once",
            Self::Rolling => "rolling",
            Self::Percentage => "percentage",
            Self::Canary => "canary",
            Self::Regions => "regions",
            Self::Zones => "zones",
            Self::BlueGreen => "blue-green",
            Self::Waves => "waves",
        })
    }
}

/// How a deployment moves, when it stops, and what it does then. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RolloutPolicy {
    /// Which waves.
    pub strategy: Strategy,
    /// How many hosts may be on their way at once, of the whole fleet.
    pub batch_size: Share,
    /// How many hosts may fail before the deployment stops.
    pub failure_threshold: Share,
    /// The shares of [`Strategy::Percentage`], growing.
    pub steps: Vec<Share>,
    /// The waves of [`Strategy::Waves`].
    pub waves: Vec<Wave>,
    /// How long a wave is watched before the next.
    pub bake_seconds: u32,
    /// How many good answers in a row each host must have given before the next wave.
    pub min_observations: u32,
    /// How long a host must have been healthy before another takes its place in the window.
    pub min_healthy_seconds: u32,
    /// A host that was told to run the release and is not healthy after this long has failed.
    pub healthy_deadline_seconds: u32,
    /// A host that has the release and was not heard of for this long has failed. Before, it only stops the expansion.
    pub unknown_deadline_seconds: u32,
    /// How long hosts that have not staged the release hold the others up.
    pub staging_limit_seconds: u32,
    /// After this long without converging the deployment is given up.
    pub deadline_seconds: u32,
    /// How long the release is watched after it has succeeded; 0 for not at all.
    pub watch_seconds: u32,
    /// Whether a deployment that stops, or whose release becomes unhealthy while it is watched, goes back to the last
    /// release that succeeded, by itself.
    pub auto_rollback: bool,
    /// Whether each step waits for an engineer's word.
    pub manual: bool,
}

impl Default for RolloutPolicy {
    fn default() -> Self {
        Self {
            strategy: Strategy::Rolling,
            batch_size: Share::percent(25),
            failure_threshold: Share::percent(5),
            steps: [10, 25, 50, 100].map(Share::percent).to_vec(),
            waves: Vec::new(),
            bake_seconds: 0,
            min_observations: 0,
            min_healthy_seconds: 0,
            healthy_deadline_seconds: 300,
            unknown_deadline_seconds: 120,
            staging_limit_seconds: 600,
            deadline_seconds: 3_600,
            watch_seconds: 3_600,
            auto_rollback: true,
            manual: false,
        }
    }
}

/// Why a policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRollout {
    /// A batch that would never move.
    #[error(
        "`batch_size` is 0, so nothing would ever move: give a count of at least 1 or a percentage above 0%"
    )]
    EmptyBatch,
    /// Steps that do not grow to the whole.
    #[error("`steps` must grow, each by something, and end at 100%, such as [\"10%\", \"50%\", \"100%\"]")]
    Steps,
    /// Waves that are missing, or given where they are not used.
    #[error("strategy \"waves\" needs 1 to {WAVES_MAX} `waves`, and no other strategy takes any")]
    Waves,
    /// A wave that is wrong by itself.
    #[error("{0}")]
    Wave(#[from] InvalidWave),
    /// Two waves of one name.
    #[error("two waves are named {0:?}: each needs a name of its own")]
    SameName(String),
    /// A time that is out of range.
    #[error("`{0}` is out of range: at most {SECONDS_MAX} seconds, and a deadline at least 1")]
    Seconds(&'static str),
    /// A number of observations that no host would reach.
    #[error("`min_observations` is at most 100000")]
    Observations,
}

impl RolloutPolicy {
    /// Whether a release waits for its turn beside what runs, which not every service can.
    pub fn warms(&self) -> bool {
        self.strategy == Strategy::BlueGreen || self.waves.iter().any(|wave| wave.warm)
    }

    /// How long after the last host's turn a failure may still be seen, in seconds: the longest bake, and the time in
    /// which a host that got its turn has to be healthy.
    pub fn judged_after_seconds(&self) -> u32 {
        let bakes = self.waves.iter().filter_map(|wave| wave.bake_seconds);
        let bake = bakes.max().unwrap_or(0).max(self.bake_seconds);
        bake.saturating_add(self.healthy_deadline_seconds)
    }

    /// Checks what the types alone cannot.
    pub fn validate(&self) -> Result<(), InvalidRollout> {
        if self.batch_size.is_none() {
            return Err(InvalidRollout::EmptyBatch);
        }
        self.check_steps()?;
        self.check_waves()?;
        if self.min_observations > 100_000 {
            return Err(InvalidRollout::Observations);
        }
        self.check_times()
    }

    fn check_steps(&self) -> Result<(), InvalidRollout> {
        if self.strategy != Strategy::Percentage {
            return Ok(());
        }
        // Compared over a fleet large enough to tell any two apart.
        let sizes: Vec<u64> = self.steps.iter().map(|share| share.up_to(1_000_000)).collect();
        let grows = sizes.is_sorted_by(|one, next| one < next) && !sizes.contains(&0);
        let whole = self.steps.last() == Some(&Share::ALL);
        if grows && whole && self.steps.len() <= WAVES_MAX {
            Ok(())
        } else {
            Err(InvalidRollout::Steps)
        }
    }

    fn check_waves(&self) -> Result<(), InvalidRollout> {
        let wanted = self.strategy == Strategy::Waves;
        if wanted == self.waves.is_empty() || self.waves.len() > WAVES_MAX {
            return Err(InvalidRollout::Waves);
        }
        let mut names = BTreeSet::new();
        for wave in &self.waves {
            wave.validate()?;
            if !names.insert(&wave.name) {
                return Err(InvalidRollout::SameName(wave.name.clone()));
            }
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), InvalidRollout> {
        let bake = self.waves.iter().filter_map(|wave| wave.bake_seconds).max();
        let times = [
            ("bake_seconds", 0, self.bake_seconds.max(bake.unwrap_or(0))),
            ("min_healthy_seconds", 0, self.min_healthy_seconds),
            ("healthy_deadline_seconds", 1, self.healthy_deadline_seconds),
            ("unknown_deadline_seconds", 1, self.unknown_deadline_seconds),
            ("staging_limit_seconds", 0, self.staging_limit_seconds),
            ("deadline_seconds", 1, self.deadline_seconds),
            ("watch_seconds", 0, self.watch_seconds),
        ];
        let bad = times
            .into_iter()
            .find(|(_, least, seconds)| !(*least..=SECONDS_MAX).contains(seconds));
        bad.map_or(Ok(()), |(name, ..)| Err(InvalidRollout::Seconds(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> Result<RolloutPolicy, String> {
        let policy: RolloutPolicy = serde_json::from_str(json).map_err(|error| error.to_string())?;
        policy.validate().map_err(|error| error.to_string())?;
        Ok(policy)
    }

    #[test]
    fn an_empty_policy_is_the_usual_one_and_the_usual_one_is_valid() {
        assert_eq!(parsed("{}"), Ok(RolloutPolicy::default()));
    }

    #[test]
    fn a_strategy_is_written_as_it_is_read() {
        for strategy in Strategy::ALL {
            let json = serde_json::Value::String(strategy.to_string());
            assert_eq!(serde_json::from_value::<Strategy>(json).unwrap(), strategy);
        }
    }

    #[test]
    fn what_can_never_work_is_refused_and_says_why() {
        for (json, part) in [
            (r#"{"batch_size": 0}"#, "batch_size"),
            (r#"{"batch_size": "0%"}"#, "batch_size"),
            (r#"{"strategy": "yolo"}"#, "unknown variant `yolo`"),
            (
                r#"{"strategy": "percentage", "steps": ["50%", "10%", "100%"]}"#,
                "steps",
            ),
            (r#"{"strategy": "percentage", "steps": ["50%"]}"#, "steps"),
            (r#"{"strategy": "waves"}"#, "waves"),
            (r#"{"waves": [{"name": "one"}]}"#, "waves"),
            (
                r#"{"strategy": "waves", "waves": [{"name": "a"}, {"name": "a"}]}"#,
                "\"a\"",
            ),
            (
                r#"{"strategy": "waves", "waves": [{"name": "a", "hosts": 0}]}"#,
                "nobody",
            ),
            (
                r#"{"strategy": "waves", "waves": [{"name": "a", "warm": true, "hosts": 3}]}"#,
                "`hosts`",
            ),
            (r#"{"deadline_seconds": 0}"#, "deadline_seconds"),
            (r#"{"bake_seconds": 700000}"#, "bake_seconds"),
            (r#"{"batchsize": 3}"#, "batchsize"),
        ] {
            let refusal = parsed(json).unwrap_err();
            assert!(refusal.contains(part), "{json}: {refusal}");
        }
    }
}
