//! `starling limits`: how fast a region's hosts may exchange pieces.

use super::Session;
use crate::output::{bytes, table};
use clap::{Args, Subcommand};
use console::wire::{RegionLimits, RegionLimitsList};
use model::RegionName;
use model::control::Limits;
use reqwest::Method;
use std::process::ExitCode;

/// What can be done with limits.
#[derive(Debug, Subcommand)]
pub enum LimitsCommand {
    /// Show every region's limits.
    Show,
    /// Set a region's limits; what is not given is not limited any more.
    Set(SetOptions),
}

/// Arguments of `starling limits set`.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct SetOptions {
    /// For the hosts of this region.
    #[arg(long)]
    region: RegionName,
    /// What each host may send to others, a second: a number with B, KiB, MiB or GiB.
    #[arg(long, value_parser = parse_rate, value_name = "BYTES")]
    upload: Option<u64>,
    /// What each host may take in, a second.
    #[arg(long, value_parser = parse_rate, value_name = "BYTES")]
    download: Option<u64>,
    /// Limit nothing.
    #[arg(long, conflicts_with_all = ["upload", "download"], required_unless_present_any = ["upload", "download"])]
    none: bool,
}

pub async fn run(command: LimitsCommand, session: &Session) -> anyhow::Result<ExitCode> {
    match command {
        LimitsCommand::Show => {
            let list: RegionLimitsList = session.api.get("/v1/limits").await?;
            session.form.print(&list, |list| limits_table(&list.regions))?;
        }
        LimitsCommand::Set(options) => {
            let limits = Limits {
                upload_bytes_per_s: options.upload,
                download_bytes_per_s: options.download,
            };
            let path = format!("/v1/regions/{}/limits", options.region);
            let region: RegionLimits = session.api.send_json(Method::PUT, &path, &limits).await?;
            session
                .form
                .print(&region, |region| limits_table(std::slice::from_ref(region)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn limits_table(regions: &[RegionLimits]) -> String {
    let limit =
        |limit: Option<u64>| limit.map_or_else(|| "none".to_owned(), |limit| format!("{}/s", bytes(limit)));
    let rows = regions.iter().map(|region| {
        [
            region.region.to_string(),
            limit(region.limits.upload_bytes_per_s),
            limit(region.limits.download_bytes_per_s),
            if region.told { "yes" } else { "not yet" }.to_owned(),
            region.actor.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]
    });
    table(["REGION", "UPLOAD", "DOWNLOAD", "TOLD", "BY"], rows)
}

/// `100MiB`, `64KiB`, `1.5GiB`, `70000`.
fn parse_rate(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];
    let (number, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .unwrap_or((text, 1));
    let number: f64 = number
        .trim_end()
        .parse()
        .map_err(|_| format!("{text:?} is no amount of bytes such as 100MiB"))?;
    let amount = number * factor as f64;
    if !(1.0..1e18).contains(&amount) {
        return Err(format!("{text:?} is no rate that a machine can have"));
    }
    Ok(amount as u64)
}

#[cfg(test)]
mod tests {
    use super::parse_rate;

    #[test]
    fn a_rate_is_a_number_with_a_unit() {
        let good = [
            ("100MiB", 100 << 20),
            ("1.5 GiB", 3 << 29),
            ("64KiB", 64 << 10),
            ("7", 7),
            ("9B", 9),
        ];
        for (text, rate) in good {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
        for bad in ["", "MiB", "-1MiB", "0", "fast", "1e30GiB", "NaN", "inf", "1MB"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }
}
