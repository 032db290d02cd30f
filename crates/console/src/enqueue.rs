//! Asking for a build: everything that can be known is checked before anything is written.

use crate::app::App;
use crate::refusal::Refusal;
use crate::wire;
use crate::{metrics, rows};
use database::jobs::{NewBuild, Repository};
use model::project::{PROJECT_FILE, PROJECT_FILE_LENGTH_MAX, ProjectFile};
use model::version::Origin;
use model::{Actor, BuildVersion, Commit, RepositoryName, Revision, Target, VersionRules};
use std::time::Duration;

/// How long a request waits for a repository to be fetched. The fetch itself goes on afterwards, so that
/// asking again finds it done or shares it.
const FETCH_WAIT: Duration = Duration::from_secs(25);
/// What checkout may take, beside the command's own time.
const MARGIN: Duration = Duration::from_secs(15 * 60);
/// The command's time where `starling.toml` can't be read; the worker will say why.
const COMMAND_TIME_DEFAULT: Duration = Duration::from_secs(15 * 60);

/// Enqueues a build, or finds the same one.
pub(crate) async fn enqueue(
    app: &App,
    actor: &Actor,
    request: wire::NewBuild,
) -> Result<wire::Enqueued, Refusal> {
    let repository = app
        .jobs
        .repository(&request.repository)
        .await?
        .ok_or_else(|| Refusal::UnknownRepository(request.repository.clone()))?;
    let commit = resolve(app, &repository, &request.revision).await?;
    let project = project(app, &repository.name, &commit).await?;
    let version = version(
        app,
        &repository.name,
        &request.revision,
        &commit,
        project.as_ref(),
    )
    .await?;
    let command_time = command_time(project, &repository.name, &commit, &request.target)?;
    let enqueued = app
        .jobs
        .enqueue(&NewBuild {
            repository: repository.name,
            revision: request.revision,
            commit,
            target: request.target,
            version: Some(version),
            actor: actor.clone(),
            force: request.force,
            deadline: command_time + MARGIN,
            priority: request.priority,
            supersede: request.supersede,
        })
        .await?;
    failpoint::reach(failpoint::Point::ApiEnqueued);
    metrics::build_requested(enqueued.fresh);
    tracing::info!(
        build.id = %enqueued.build.id,
        build.fresh = enqueued.fresh,
        actor = %actor,
        "a build was asked for"
    );
    Ok(wire::Enqueued {
        build: rows::build(enqueued.build),
        fresh: enqueued.fresh,
    })
}

/// The commit that a revision means now. A full commit that the mirror holds needs no fetch.
async fn resolve(app: &App, repository: &Repository, revision: &Revision) -> Result<Commit, Refusal> {
    let Repository { name, url, .. } = repository.clone();
    let (mirrors, wanted) = (app.mirrors.clone(), revision.clone());
    let resolve = async move {
        if let Ok(commit) = wanted.as_str().parse::<Commit>() {
            mirrors.ensure_commit(&name, &url, &commit).await?;
            return Ok(commit);
        }
        mirrors.ensure(&name, &url).await?;
        mirrors.resolve(&name, &wanted).await
    };
    let closing = app.closing.clone();
    let resolve = app
        .background
        .spawn(async move { closing.run_until_cancelled(resolve).await });
    match tokio::time::timeout(FETCH_WAIT, resolve).await {
        Ok(Ok(Some(Ok(commit)))) => Ok(commit),
        Ok(Ok(Some(Err(error)))) => Err(unresolved(repository, revision, error)),
        Ok(Err(panicked)) => Err(Refusal::Internal(Box::new(panicked))),
        // The console closes, or the fetch is long.
        Ok(Ok(None)) | Err(_) => Err(Refusal::StillFetching {
            name: repository.name.clone(),
        }),
    }
}

fn unresolved(repository: &Repository, revision: &Revision, error: repository_mirror::Error) -> Refusal {
    use repository_mirror::Error;
    match error {
        Error::UnknownRevision { .. } | Error::UnknownCommit { .. } => Refusal::UnknownRevision {
            repository: repository.name.clone(),
            revision: revision.clone(),
        },
        Error::Git { .. } | Error::Deadline { .. } | Error::Url(_) => Refusal::Unfetchable {
            name: repository.name.clone(),
            reason: error.to_string(),
        },
        other => Refusal::Internal(Box::new(other)),
    }
}

/// What the build is called, by the commit's own rules.
async fn version(
    app: &App,
    repository: &RepositoryName,
    revision: &Revision,
    commit: &Commit,
    project: Option<&ProjectFile>,
) -> Result<BuildVersion, Refusal> {
    let internal = |error: repository_mirror::Error| Refusal::Internal(Box::new(error));
    let origin = Origin {
        revision,
        commit,
        committed_at: app
            .mirrors
            .commit_time(repository, commit)
            .await
            .map_err(internal)?,
        tags: &app.mirrors.tags_of(repository, commit).await.map_err(internal)?,
    };
    let usual = VersionRules::default();
    Ok(project
        .map_or(&usual, |project| &project.versions)
        .version(origin))
}

/// What the commit says can be built; `None` when it says nothing that can be read, which the worker will
/// report with line and reason.
pub(crate) async fn project(
    app: &App,
    repository: &RepositoryName,
    commit: &Commit,
) -> Result<Option<ProjectFile>, Refusal> {
    let bytes = app
        .mirrors
        .read_file(repository, commit, PROJECT_FILE, PROJECT_FILE_LENGTH_MAX)
        .await;
    let Ok(Some(bytes)) = bytes else {
        return Ok(None);
    };
    Ok(std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| ProjectFile::parse(text).ok()))
}

fn command_time(
    project: Option<ProjectFile>,
    repository: &RepositoryName,
    commit: &Commit,
    target: &Target,
) -> Result<Duration, Refusal> {
    let Some(project) = project else {
        return Ok(COMMAND_TIME_DEFAULT);
    };
    match project.targets.get(target) {
        Some(spec) => Ok(Duration::from_secs(spec.timeout_seconds.into())),
        None => Err(Refusal::UnknownTarget {
            repository: repository.clone(),
            commit: commit.clone(),
            target: target.clone(),
            known: project.targets.into_keys().collect(),
        }),
    }
}
