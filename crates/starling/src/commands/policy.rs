//! How a deployment moves, from a file and from the command line, which is stronger.

use anyhow::Context as _;
use clap::Args;
use model::rollout::Strategy;
use model::{RolloutPolicy, Share};
use std::path::PathBuf;

/// The part of `starling deploy`'s arguments that says how.
#[derive(Debug, Args)]
#[group(id = "deployment-policy")]
pub struct Options {
    /// A TOML file with the whole policy, waves included; what is named beside it is stronger.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// all-at-once, rolling, percentage, canary, regions, zones, blue-green, or waves (of the policy's file).
    #[arg(long, value_parser = strategy)]
    strategy: Option<Strategy>,
    /// How many hosts may be on their way at once: a count, or a percentage such as 10%.
    #[arg(long, value_name = "HOSTS")]
    batch_size: Option<Share>,
    /// How many hosts may fail before it stops: a count, or a percentage such as 5%.
    #[arg(long, value_name = "HOSTS")]
    failure_threshold: Option<Share>,
    /// How long each wave is watched before the next, in seconds.
    #[arg(long, value_name = "SECONDS")]
    bake: Option<u32>,
    /// How long the release is watched after it has succeeded, in seconds; 0 for not at all.
    #[arg(long, value_name = "SECONDS")]
    watch: Option<u32>,
    /// Wait for `starling rollout step` before every step.
    #[arg(long)]
    manual: bool,
    /// Halt where it stops, rather than go back to the last release that succeeded.
    #[arg(long)]
    no_rollback: bool,
}

fn strategy(text: &str) -> Result<Strategy, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|error| error.to_string())
}

impl Options {
    /// The policy, checked.
    pub fn policy(self) -> anyhow::Result<RolloutPolicy> {
        let mut policy = match &self.policy {
            None => RolloutPolicy::default(),
            Some(path) => {
                let text = fs_err::read_to_string(path)?;
                toml::from_str(&text).with_context(|| format!("{} is no rollout policy", path.display()))?
            }
        };
        policy.strategy = self.strategy.unwrap_or(policy.strategy);
        policy.batch_size = self.batch_size.unwrap_or(policy.batch_size);
        policy.failure_threshold = self.failure_threshold.unwrap_or(policy.failure_threshold);
        policy.bake_seconds = self.bake.unwrap_or(policy.bake_seconds);
        policy.watch_seconds = self.watch.unwrap_or(policy.watch_seconds);
        policy.manual |= self.manual;
        policy.auto_rollback &= !self.no_rollback;
        policy.validate()?;
        Ok(policy)
    }
}
