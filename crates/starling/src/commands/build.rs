//! `starling build`, `builds` and `cancel`.

use super::{Session, logs, wait};
use crate::exit;
use crate::output::{Form, bytes, table};
use clap::Args;
use console::wire::{Build, BuildDetail, BuildList, Enqueued, NewBuild};
use model::{BuildId, BuildState, Priority, RepositoryName, Revision, Target};
use reqwest::Method;
use std::process::ExitCode;

/// Arguments of `starling build`.
#[derive(Debug, Args)]
pub struct Options {
    /// A registered repository; see `starling repository list`.
    repository: RepositoryName,
    /// A commit, branch or tag.
    revision: Revision,
    /// What to build, such as //crates/beacon:beacon.
    target: Target,
    /// Build even where the same target and commit is queued, running or built.
    #[arg(long)]
    force: bool,
    /// How soon its turn comes: low, normal, high or urgent.
    #[arg(long, default_value_t, value_parser = priority, hide_default_value = true)]
    priority: Priority,
    /// Cancel what waits of the same branch and target for an older commit.
    #[arg(long)]
    supersede: bool,
    /// Return as soon as the build is enqueued.
    #[arg(long)]
    detach: bool,
}

/// Arguments of `starling builds`.
#[derive(Debug, Args)]
pub struct ListOptions {
    /// How many, at most 200.
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

pub async fn run(options: Options, session: &Session) -> anyhow::Result<ExitCode> {
    let Options {
        repository,
        revision,
        target,
        force,
        priority,
        supersede,
        detach,
    } = options;
    let request = NewBuild {
        repository,
        revision,
        target,
        force,
        priority,
        supersede,
    };
    let enqueued: Enqueued = session
        .api
        .send_json(Method::POST, "/v1/builds", &request)
        .await?;
    if detach {
        session
            .form
            .print(&enqueued, |enqueued| format!("{}", enqueued.build.id))?;
        return Ok(ExitCode::SUCCESS);
    }
    if session.form == Form::Text {
        announce(&enqueued);
    }
    let detail = follow(session, enqueued.build.id).await?;
    session.form.print(&detail, outcome)?;
    let succeeded = detail.build.state == BuildState::Succeeded;
    Ok(if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::NOT_SUCCEEDED)
    })
}

fn priority(text: &str) -> Result<Priority, String> {
    let parsed = text.to_uppercase().parse();
    parsed.map_err(|_| "it is one of low, normal, high and urgent".to_owned())
}

pub async fn list(options: &ListOptions, session: &Session) -> anyhow::Result<ExitCode> {
    let list: BuildList = session
        .api
        .get(&format!("/v1/builds?limit={}", options.limit))
        .await?;
    session.form.print(&list, |list| builds_table(&list.builds))?;
    Ok(ExitCode::SUCCESS)
}

/// The rows that `builds` and `status` share.
pub fn builds_table(builds: &[Build]) -> String {
    let rows = builds.iter().map(|build| {
        [
            build.id.to_string(),
            build.state.to_string(),
            build.repository.to_string(),
            build.commit.short().to_owned(),
            build
                .version
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            build.target.to_string(),
            build.total_bytes.map(bytes).unwrap_or_default(),
            build.actor.to_string(),
        ]
    });
    table(
        [
            "BUILD",
            "STATE",
            "REPOSITORY",
            "COMMIT",
            "VERSION",
            "TARGET",
            "SIZE",
            "BY",
        ],
        rows,
    )
}

fn announce(enqueued: &Enqueued) {
    let build = &enqueued.build;
    let verb = if enqueued.fresh {
        "enqueued"
    } else {
        "the same target and commit is known already:"
    };
    anstream::eprintln!(
        "{verb} build {} of {} at {}",
        build.id,
        build.target,
        build.commit.short()
    );
}

/// Streams the log to standard error while the build runs.
async fn follow(session: &Session, id: BuildId) -> anyhow::Result<BuildDetail> {
    let mut tail = logs::Tail::new(id);
    let mut phase = None;
    let show = session.form == Form::Text;
    let detail = wait::build(&session.api, id, async |detail| {
        if !show {
            return;
        }
        if detail.build.phase != phase && !detail.build.state.is_terminal() {
            phase = detail.build.phase;
            let worker = detail
                .build
                .worker
                .as_ref()
                .map(|worker| format!(" on {worker}"))
                .unwrap_or_default();
            anstream::eprintln!(
                "── {}{worker}",
                phase.map_or_else(|| detail.build.state.to_string(), |phase| phase.to_string())
            );
        }
        // A log that cannot be read now is read in the next round.
        if let Ok(bytes) = tail.read(&session.api).await {
            anstream::eprint!("{}", String::from_utf8_lossy(&bytes));
        }
    })
    .await?;
    Ok(detail)
}

fn outcome(detail: &BuildDetail) -> String {
    let build = &detail.build;
    let mut text = format!("build {} {}", build.id, build.state);
    if let (Some(artifact), Some(total)) = (build.artifact, build.total_bytes) {
        text += &format!(
            "\nartifact {artifact} ({})\nnext: starling deploy SERVICE {}",
            bytes(total),
            build.id
        );
    }
    if let Some(earlier) = detail.reused_from {
        text += &format!("\nnone of its inputs has changed since build {earlier}, whose result this is");
    }
    if let Some(reason) = &build.reason {
        text += &format!("\nreason: {reason}\nnext: starling logs {}", build.id);
    }
    text
}
