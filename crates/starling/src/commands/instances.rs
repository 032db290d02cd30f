//! `starling instances`.

use super::Session;
use crate::output::{seconds, table};
use clap::{Args, Subcommand};
use console::wire::{Instance, InstanceList, LIST_LIMIT_MAX, Retirement};
use model::{InstanceHealth, Selector};
use reqwest::Method;
use std::process::ExitCode;

/// Arguments of `starling instances`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    /// Only those whose labels match: KEY=VALUE, KEY!=VALUE, KEY or !KEY; all that are given must hold.
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<Selector>,
    /// Only those that are so: UNKNOWN, HEALTHY, DEGRADED or FAILED.
    #[arg(long)]
    status: Option<InstanceHealth>,
    /// Those that have retired, instead of those that have not.
    #[arg(long)]
    retired: bool,
    #[command(subcommand)]
    command: Option<InstanceCommand>,
}

/// What can be done with an instance.
#[derive(Debug, Subcommand)]
enum InstanceCommand {
    /// Take a program out for good: its name is free, and its heartbeats are refused.
    Retire {
        /// Its name or identifier.
        name: String,
        /// Why, for those who wonder later.
        #[arg(long)]
        reason: String,
    },
}

pub async fn run(options: Options, session: &Session) -> anyhow::Result<ExitCode> {
    match options.command {
        Some(InstanceCommand::Retire { name, reason }) => {
            let path = format!("/v1/inventory/instances/{name}/retire");
            let retired: Instance = session
                .api
                .send_json(Method::POST, &path, &Retirement { reason })
                .await?;
            session
                .form
                .print(&retired, |instance| format!("retired {}", instance.name))?;
        }
        None => {
            let list = list(&options, session).await?;
            session
                .form
                .print(&list, |list| instances_table(&list.instances))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Every page.
async fn list(options: &Options, session: &Session) -> anyhow::Result<InstanceList> {
    let mut path = format!(
        "/v1/inventory/instances?limit={LIST_LIMIT_MAX}&retired={}",
        options.retired
    );
    for label in &options.labels {
        // A plus would be read as a space.
        path.push_str(&format!("&label={label}").replace('+', "%2B"));
    }
    if let Some(status) = options.status {
        path.push_str(&format!("&status={status}"));
    }
    let mut instances = Vec::new();
    let mut after = String::new();
    loop {
        let page: InstanceList = session.api.get(&format!("{path}{after}")).await?;
        instances.extend(page.instances);
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => {
                let next = None;
                return Ok(InstanceList { instances, next });
            }
        }
    }
}

fn instances_table(instances: &[Instance]) -> String {
    let rows = instances.iter().map(|instance| {
        [
            instance.name.to_string(),
            instance.kind.to_string(),
            instance
                .zone
                .as_ref()
                .map_or_else(|| instance.region.to_string(), std::string::ToString::to_string),
            instance.status.to_string(),
            runs(instance),
            instance
                .silent_seconds
                .map_or_else(|| "never".to_owned(), seconds),
            labels(instance),
        ]
    });
    table(
        [
            "INSTANCE",
            "KIND",
            "PLACE",
            "STATUS",
            "RUNS",
            "SILENT FOR",
            "LABELS",
        ],
        rows,
    )
}

fn runs(instance: &Instance) -> String {
    let services = instance.services.iter().map(|running| {
        let release = running
            .release
            .map_or_else(|| "-".to_owned(), |release| release.to_string());
        format!("{}:{release}", running.service)
    });
    let code = instance.code_version.iter().map(ToString::to_string);
    let configuration = instance
        .configuration_version
        .iter()
        .map(|version| format!("configuration {version}"));
    let words: Vec<String> = services.chain(code).chain(configuration).collect();
    words.join(", ")
}

/// Those that say more than the place does.
fn labels(instance: &Instance) -> String {
    use model::labels::{HOST, REGION, ZONE};
    let own = instance
        .labels
        .iter()
        .filter(|(key, _)| ![HOST, REGION, ZONE].contains(key));
    let words: Vec<String> = own.map(|(key, value)| format!("{key}={value}")).collect();
    words.join(",")
}
