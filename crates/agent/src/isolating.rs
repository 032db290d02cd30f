//! Keeping tasks apart from the agent and from each other, as far as this machine allows it, and saying what it doesn't.

use crate::Config;
use crate::launch::service_folder;
use crate::seat::Terms;
use crate::users::{NoUser, Users};
use model::service::Program;
use model::{DesiredService, ServiceName};
use std::path::Path;
use tasks::task::isolation::{self, Isolation, Means, View};

/// Finds out what can be done here, and says what can't; `None` where tasks are not to be kept apart.
pub(crate) async fn look(config: &Config) -> Option<Means> {
    let users = config.task_users.as_ref()?;
    let means = Means::look(*users.start()).await;
    for missing in [&means.users, &means.namespaces]
        .into_iter()
        .filter_map(|found| found.as_ref().err())
    {
        tracing::warn!("tasks are not kept apart as well as they could be: {missing}");
    }
    Some(means)
}

/// What keeps an order's process apart.
///
/// # Errors
/// If no user is left for it.
pub(crate) fn choose(
    means: &Means,
    config: &Config,
    order: &DesiredService,
    artifact: &Path,
    users: &mut Users,
) -> Result<Isolation, NoUser> {
    let namespaces = means.namespaces.is_ok();
    let shared = Isolation {
        user: None,
        namespaces,
    };
    let Some(allowed) = config.task_users.as_ref().filter(|_| means.users.is_ok()) else {
        return Ok(shared);
    };
    let obstacle = match order.spec.program() {
        Ok(Program::Command { program, .. }) => isolation::obstacle(artifact, Path::new(program), namespaces),
        // A container doesn't see what is on the way to it.
        _ => None,
    };
    if let Some(obstacle) = obstacle {
        tracing::warn!(service.name = %order.service, "a task is not a user of its own: {obstacle}");
        return Ok(shared);
    }
    let user = Some(users.lease(&order.service, allowed)?);
    Ok(Isolation { user, namespaces })
}

/// What a task sees of the agent's folder. Its service's folder holds its logs and says its release.
pub(crate) async fn view(config: &Config, service: &ServiceName, artifact: &Path, terms: &Terms) -> View {
    let service = service_folder(&config.folder, service);
    let (folder, user) = (config.folder.clone(), terms.isolation.user);
    let cover =
        tokio::task::spawn_blocking(move || user.map_or(folder.clone(), |_| isolation::cover(&folder)));
    let cover = cover.await.unwrap_or_else(|_| config.folder.clone());
    View {
        hidden: std::iter::once(cover)
            .chain(config.hidden.iter().cloned())
            .collect(),
        artifact: artifact.to_owned(),
        temporary: service.join(format!("temporary-{}", terms.port)),
        service,
    }
}

/// What keeps a process apart, for the log that people read.
pub(crate) fn describe(terms: &Terms) -> String {
    let isolation = terms.isolation;
    let user = match isolation.user {
        Some(user) => format!("as user {user}"),
        None if terms.container => "as its image's user".to_owned(),
        None => "as the agent's own user".to_owned(),
    };
    if terms.container {
        return format!("{user}, in a container");
    }
    let namespaces = if isolation.namespaces { "with" } else { "without" };
    format!("{user}, {namespaces} a /tmp of its own")
}
