//! `starling diff`, and the question before a deployment.

use super::Session;
use crate::output::Form;
use clap::Args;
use console::wire::{RegionDiff, SettingChange, ShipDiff, ShippedCommit};
use model::code::Code;
use model::{ConfigurationVersion, ServiceName};
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::process::ExitCode;

/// Arguments of `starling diff`.
#[derive(Debug, Args)]
pub struct Options {
    /// A registered service.
    service: ServiceName,
    /// What would be deployed: a build, a version such as release-v1.4.2, or a commit.
    code: Code,
    /// With this version of the service's configuration; with that of what runs otherwise.
    #[arg(long, value_name = "VERSION")]
    configuration: Option<ConfigurationVersion>,
}

pub async fn run(options: &Options, session: &Session) -> anyhow::Result<ExitCode> {
    let wanted = Wanted {
        service: &options.service,
        code: &options.code,
        configuration: options.configuration.as_ref(),
    };
    let diff = fetch(session, &wanted).await?;
    session.form.print(&diff, text)?;
    Ok(ExitCode::SUCCESS)
}

/// What would be deployed where.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// To which service.
    pub service: &'a ServiceName,
    /// What.
    pub code: &'a Code,
    /// With which configuration; with that of what runs, where none is named.
    pub configuration: Option<&'a ConfigurationVersion>,
}

/// Shows what a deployment would change and asks whether to go on; asks nobody who is not at a terminal. What to deploy
/// is the very build that was shown; nothing, if it shall not be.
pub async fn confirm(session: &Session, wanted: &Wanted<'_>, yes: bool) -> anyhow::Result<Option<Code>> {
    if session.form == Form::Json {
        return Ok(Some(wanted.code.clone()));
    }
    let diff = fetch(session, wanted).await?;
    let shown = Code::Build(diff.build);
    anstream::eprintln!("{}", text(&diff).trim_end());
    if yes || !std::io::stdin().is_terminal() {
        return Ok(Some(shown));
    }
    anstream::eprint!("deploy? [y/N] ");
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = answer.await??;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes").then_some(shown))
}

async fn fetch(session: &Session, wanted: &Wanted<'_>) -> anyhow::Result<ShipDiff> {
    let Wanted { service, code, .. } = wanted;
    let configuration = wanted
        .configuration
        .map(|version| format!("&configuration={version}"))
        .unwrap_or_default();
    let name = match code {
        Code::Build(_) => "build",
        Code::Version(_) => "code_version",
    };
    let path = format!("/v1/services/{service}/diff?{name}={code}{configuration}");
    Ok(session.api.get(&path).await?)
}

/// Regions for which the same changes stand together.
fn text(diff: &ShipDiff) -> String {
    let mut alike: Vec<(Vec<String>, String)> = Vec::new();
    for region in &diff.regions {
        let (place, changes) = (place(region), changes(region));
        match alike.iter_mut().find(|(_, known)| *known == changes) {
            Some((places, _)) => places.push(place),
            None => alike.push((vec![place], changes)),
        }
    }
    let version = diff.version.as_ref().map(|version| format!("{version}, "));
    let mut text = format!(
        "{} to {}commit {}\n",
        diff.service,
        version.unwrap_or_default(),
        diff.commit.short()
    );
    for (places, changes) in alike {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}\n{changes}", places.join(", "));
    }
    text
}

fn place(region: &RegionDiff) -> String {
    match &region.running {
        None => format!("{}: runs nothing yet", region.region),
        Some(running) => format!(
            "{}: release {} of {} on {} host{}",
            region.region,
            running.release,
            running.commit.short(),
            running.hosts,
            if running.hosts == 1 { "" } else { "s" }
        ),
    }
}

fn changes(region: &RegionDiff) -> String {
    let mut lines: Vec<String> = Vec::new();
    lines.extend(region.added.iter().map(|commit| line('+', commit)));
    lines.extend(region.removed.iter().map(|commit| line('-', commit)));
    if region.more {
        lines.push("  … and more".to_owned());
    }
    lines.extend(region.settings.iter().map(setting));
    lines.extend(region.unknown.iter().map(|words| format!("  {words}")));
    if lines.is_empty() && region.running.is_some() {
        lines.push("  nothing changes".to_owned());
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn line(sign: char, commit: &ShippedCommit) -> String {
    format!(
        "  {sign} {} {} ({})",
        commit.commit.short(),
        commit.subject,
        commit.author
    )
}

fn setting(change: &SettingChange) -> String {
    let value = |value: &Option<serde_json::Value>| {
        value
            .as_ref()
            .map_or_else(|| "nothing".to_owned(), ToString::to_string)
    };
    format!(
        "  ~ {}: {} becomes {}",
        change.name,
        value(&change.before),
        value(&change.after)
    )
}
