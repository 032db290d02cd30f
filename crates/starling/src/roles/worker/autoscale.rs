//! `starling worker --autoscale-hint`: how many workers there should be.

use super::default_lease_window_seconds;
use console::wire::Demand;
use database::{Jobs, Limits};
use serde::Deserialize;
use std::process::ExitCode;
use std::time::Duration;

/// The part of a worker's configuration that this needs; the rest is not looked at.
#[derive(Debug, Deserialize)]
pub struct Settings {
    jobs_url: String,
    #[serde(default = "default_lease_window_seconds")]
    lease_window_seconds: u32,
}

/// Prints the hint on one line.
pub async fn autoscale_hint(settings: &Settings) -> anyhow::Result<ExitCode> {
    // Asked every few seconds: no patience with a database that is away, and no change of its tables.
    let jobs = Jobs::connect(&settings.jobs_url, Limits::default()).await?;
    let window = Duration::from_secs(settings.lease_window_seconds.into());
    let demand = Demand::from(jobs.demand(window).await?);
    anstream::println!("{}", serde_json::to_string(&demand)?);
    Ok(ExitCode::SUCCESS)
}
