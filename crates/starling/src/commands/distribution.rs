//! `starling distribution`: artifacts on their way to regions' hosts.

use super::Session;
use crate::output::{bytes, seconds, table};
use clap::{Args, Subcommand};
use console::wire::{Distribution, DistributionList, RegionDistribution, WhichRegion};
use model::control::Hold;
use model::{ArtifactId, RegionName};
use reqwest::Method;
use std::process::ExitCode;

/// What can be done with distributions.
#[derive(Debug, Subcommand)]
pub enum DistributionCommand {
    /// List the artifacts that were distributed last.
    List,
    /// Show one artifact's way in every region, and which hosts are slow and why.
    Show {
        /// The artifact, by its full name.
        artifact: ArtifactId,
    },
    /// Let hosts keep what they have of an artifact and fetch no more.
    Pause(Which),
    /// Let hosts fetch an artifact on, after a pause or an abort.
    Resume(Which),
    /// Let hosts stop fetching an artifact and delete what came of it, until it is deployed again. Hosts that
    /// have it whole keep it, and what runs goes on.
    Abort(Which),
    /// Let hosts fetch an artifact before all others.
    Prefer(Which),
}

/// Of what something is said.
#[derive(Debug, Args)]
pub struct Which {
    /// The artifact, by its full name.
    artifact: ArtifactId,
    /// Only in this region.
    #[arg(long)]
    region: Option<RegionName>,
}

pub async fn run(command: DistributionCommand, session: &Session) -> anyhow::Result<ExitCode> {
    match command {
        DistributionCommand::List => {
            let list: DistributionList = session.api.get("/v1/distributions").await?;
            session.form.print(&list, |list| {
                let all = list.distributions.iter();
                regions_table(all.flat_map(|one| one.regions.iter().map(|region| (one.artifact, region))))
            })?;
        }
        DistributionCommand::Show { artifact } => {
            let path = format!("/v1/distributions/{artifact}");
            let distribution: Distribution = session.api.get(&path).await?;
            session.form.print(&distribution, distribution_text)?;
        }
        DistributionCommand::Pause(which) => say("pause", which, session).await?,
        DistributionCommand::Resume(which) => say("resume", which, session).await?,
        DistributionCommand::Abort(which) => say("abort", which, session).await?,
        DistributionCommand::Prefer(which) => say("prefer", which, session).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn say(what: &str, Which { artifact, region }: Which, session: &Session) -> anyhow::Result<()> {
    let path = format!("/v1/distributions/{artifact}/{what}");
    let body = WhichRegion { region };
    let distribution: Distribution = session.api.send_json(Method::POST, &path, &body).await?;
    session.form.print(&distribution, distribution_text)
}

fn distribution_text(distribution: &Distribution) -> String {
    let artifact = distribution.artifact;
    let mut text = format!("artifact {artifact}\n\n");
    text += &regions_table(distribution.regions.iter().map(|region| (artifact, region)));
    let slow = distribution.regions.iter().flat_map(|region| {
        let hosts = region
            .progress
            .iter()
            .flat_map(|progress| &progress.summary.slowest);
        hosts.map(|host| {
            [
                region.region.to_string(),
                host.host.to_string(),
                host.state.to_string(),
                bytes(host.held_bytes),
                format!("{}/s", bytes(host.taken_bytes_per_s)),
                host.hindrance
                    .map(|hindrance| hindrance.to_string())
                    .unwrap_or_default(),
            ]
        })
    });
    let slow: Vec<_> = slow.collect();
    if !slow.is_empty() {
        text += &format!(
            "\n\n{}",
            table(["REGION", "SLOW HOST", "STATE", "HOLDS", "TAKES IN", "WHY"], slow)
        );
    }
    text
}

fn regions_table<'a>(regions: impl Iterator<Item = (ArtifactId, &'a RegionDistribution)>) -> String {
    let rows = regions.map(|(artifact, region)| {
        [
            artifact.to_string(),
            region.region.to_string(),
            progress_text(region),
            left_text(region),
            said_text(region),
        ]
    });
    table(
        ["ARTIFACT", "REGION", "HOSTS AND BYTES", "TIME LEFT", "SAID"],
        rows,
    )
}

/// How far a distribution is: `2/4 hosts, 61 %, 80.0 MiB/s`.
pub fn progress_text(region: &RegionDistribution) -> String {
    let Some(progress) = &region.progress else {
        return "no word yet".to_owned();
    };
    let summary = &progress.summary;
    let whole = u128::from(summary.artifact_bytes) * u128::from(summary.hosts.all);
    let percent = (u128::from(summary.transfer.verified_bytes()) * 100)
        .checked_div(whole)
        .unwrap_or(0);
    let done = format!(
        "{}/{} hosts, {percent} %",
        summary.hosts.complete, summary.hosts.all
    );
    if summary.is_complete() {
        return done;
    }
    format!("{done}, {}/s", bytes(summary.rates.taken()))
}

/// How long it still takes; `unknown` where nothing that was seen tells.
pub fn left_text(region: &RegionDistribution) -> String {
    match region.progress.as_ref().map(|progress| &progress.summary) {
        Some(summary) if summary.is_complete() => "done".to_owned(),
        Some(summary) => summary.left_ms.map_or_else(
            || "unknown".to_owned(),
            |left| format!("about {}", seconds(left as f64 / 1_000.0)),
        ),
        None => "unknown".to_owned(),
    }
}

fn said_text(region: &RegionDistribution) -> String {
    let mut said = Vec::new();
    if region.hold != Hold::None {
        said.push(region.hold.to_string());
    }
    if region.preference > 0 {
        said.push("PREFERRED".to_owned());
    }
    if !region.told {
        said.push("(not told yet)".to_owned());
    }
    said.join(" ")
}
