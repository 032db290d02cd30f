//! `starling deploy` and `deployments`.

use super::{Session, diff, policy, status, wait};
use crate::exit;
use crate::output::{Form, table};
use clap::Args;
use console::wire::{Deployment, DeploymentDetail, DeploymentList, NewDeployment};
use indicatif::{ProgressBar, ProgressStyle};
use model::code::Code;
use model::{ConfigurationVersion, DeploymentState, Selector, ServiceName, WhenBusy};
use reqwest::Method;
use std::process::ExitCode;

/// Arguments of `starling deploy`.
#[derive(Debug, Args)]
pub struct Options {
    /// A registered service; see `starling service list`.
    service: ServiceName,
    /// A build that has succeeded (see `starling builds`), a version such as release-v1.4.2, or a commit.
    code: Code,
    #[command(flatten)]
    policy: policy::Options,
    /// Only these instances, by their labels: `role=web,zone!=us-east-1a`.
    #[arg(long, value_name = "SELECTOR", default_value_t)]
    labels: Selector,
    /// With this version of the service's configuration; with that of what runs otherwise.
    #[arg(long, value_name = "VERSION")]
    configuration: Option<ConfigurationVersion>,
    /// Take the place of a deployment that is in flight.
    #[arg(long)]
    supersede: bool,
    /// Wait until a deployment that is in flight has ended, in the place of whatever waits already.
    #[arg(long, conflicts_with = "supersede")]
    queue: bool,
    /// Deploy although it is frozen or not approved, and say why; it is recorded.
    #[arg(long, value_name = "REASON")]
    break_glass: Option<String>,
    /// Ask nothing.
    #[arg(long)]
    yes: bool,
    /// Return as soon as the deployment is confirmed.
    #[arg(long)]
    detach: bool,
}

/// Arguments of `starling deployments`.
#[derive(Debug, Args)]
pub struct ListOptions {
    /// How many, at most 200.
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

pub async fn run(options: Options, session: &Session) -> anyhow::Result<ExitCode> {
    let wanted = diff::Wanted {
        service: &options.service,
        code: &options.code,
        configuration: options.configuration.as_ref(),
    };
    let Some(code) = diff::confirm(session, &wanted, options.yes).await? else {
        return Ok(ExitCode::from(exit::INTERRUPTED));
    };
    let when_busy = match (options.queue, options.supersede) {
        (true, _) => WhenBusy::Queue,
        (_, true) => WhenBusy::Supersede,
        _ => WhenBusy::Refuse,
    };
    let request = NewDeployment {
        configuration_version: options.configuration,
        labels: options.labels,
        configuration: options.policy.policy()?,
        when_busy,
        break_glass: options.break_glass,
        ..NewDeployment::new(options.service, code)
    };
    let deployment: Deployment = session
        .api
        .send_json(Method::POST, "/v1/deployments", &request)
        .await?;
    follow(session, deployment, options.detach).await
}

/// Follows a deployment that was just confirmed to its end, unless nobody wants to.
pub async fn follow(session: &Session, deployment: Deployment, detach: bool) -> anyhow::Result<ExitCode> {
    if detach {
        session
            .form
            .print(&deployment, |deployment| deployment.id.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if session.form == Form::Text {
        let Deployment {
            id, service, release, ..
        } = &deployment;
        anstream::eprintln!("confirmed deployment {id}: {service} to release {release}");
    }
    let mut watcher = Watcher::new(session.form);
    let detail = wait::deployment(&session.api, deployment.id, |detail| watcher.show(detail)).await?;
    watcher.finish();
    session.form.print(&detail, status::deployment_text)?;
    let succeeded = detail.deployment.state == DeploymentState::Succeeded;
    Ok(if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::NOT_SUCCEEDED)
    })
}

pub async fn list(options: &ListOptions, session: &Session) -> anyhow::Result<ExitCode> {
    let list: DeploymentList = session
        .api
        .get(&format!("/v1/deployments?limit={}", options.limit))
        .await?;
    session
        .form
        .print(&list, |list| deployments_table(&list.deployments))?;
    Ok(ExitCode::SUCCESS)
}

/// The rows that `deployments` and `status` share.
pub fn deployments_table(deployments: &[Deployment]) -> String {
    let rows = deployments.iter().map(|deployment| {
        [
            deployment.id.to_string(),
            state_text(deployment),
            deployment.service.to_string(),
            deployment.release.to_string(),
            deployment.version.clone().unwrap_or_default(),
            deployment.artifact.short(),
            deployment.actor.to_string(),
        ]
    });
    table(
        [
            "DEPLOYMENT",
            "STATE",
            "SERVICE",
            "RELEASE",
            "VERSION",
            "ARTIFACT",
            "BY",
        ],
        rows,
    )
}

/// A deployment's state with the wave that it is in: `WAVE 2/3 (10%)`.
pub fn state_text(deployment: &Deployment) -> String {
    let wave = deployment.waves.get(deployment.wave);
    match (deployment.state, wave) {
        (DeploymentState::Wave | DeploymentState::Bake, Some(wave)) => format!(
            "{} {}/{} ({})",
            deployment.state,
            deployment.wave + 1,
            deployment.waves.len(),
            wave.name
        ),
        (state, _) => state.to_string(),
    }
}

/// Shows a deployment under way: a bar on a terminal, a line a change elsewhere.
struct Watcher {
    bar: Option<ProgressBar>,
    lines: bool,
    last: String,
}

impl Watcher {
    fn new(form: Form) -> Self {
        let bar = form.is_watched().then(|| {
            // The template is a constant; were it wrong, the default style would do.
            let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {percent}%");
            ProgressBar::new(100).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            lines: bar.is_none() && form == Form::Text,
            bar,
            last: String::new(),
        }
    }

    fn show(&mut self, detail: &DeploymentDetail) {
        let hosts: u64 = detail.regions.iter().map(|region| region.hosts).sum();
        let healthy: u64 = detail.regions.iter().map(|region| region.healthy).sum();
        let staged: u64 = detail.regions.iter().map(|region| region.staged).sum();
        let line = format!(
            "{}: {staged} of {hosts} hosts staged, {healthy} healthy{}",
            state_text(&detail.deployment),
            match &detail.deployment.waits_for {
                Some(waits_for) => format!(" · {waits_for}"),
                None => String::new(),
            }
        );
        if let Some(bar) = &self.bar {
            bar.set_message(line);
            // Staging and activation count half each.
            bar.set_position((staged + healthy) * 50 / hosts.max(1));
        } else if self.lines && line != self.last {
            anstream::eprintln!("{line}");
            self.last = line;
        }
    }

    fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
