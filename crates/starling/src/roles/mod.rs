//! The roles: each reads its settings, builds its parts, and runs until it is stopped. What a role
//! does is in its crate; here is only how it is put together.

pub mod agent;
pub mod api;
pub mod controller;
mod frontend;
pub mod node;
pub mod parts;
pub mod proxy;
pub mod region;
pub mod store;
pub mod synchronizer;
pub mod worker;

use crate::arguments::{Role, WorkerArguments};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// Runs one role until `stop`. Boxed, since a role's future holds everything that it is put together from.
pub async fn run(role: Role, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    match role {
        Role::Api(arguments) => Box::pin(api::run(arguments.read("api")?, stop)).await?,
        Role::Worker(arguments) if arguments.autoscale_hint => {
            return worker::autoscale_hint(&arguments.config.read("worker")?).await;
        }
        Role::Worker(WorkerArguments {
            config: arguments, ..
        }) => Box::pin(worker::run(arguments.read("worker")?, stop)).await?,
        Role::Controller(arguments) => Box::pin(controller::run(arguments.read("controller")?, stop)).await?,
        Role::Synchronizer(arguments) => {
            Box::pin(synchronizer::run(arguments.read("synchronizer")?, stop)).await?
        }
        Role::Region(arguments) => Box::pin(region::run(arguments.read("region")?, stop)).await?,
        Role::Agent(arguments) => Box::pin(agent::run(arguments.read("agent")?, stop)).await?,
        Role::Proxy(arguments) => Box::pin(proxy::run(arguments.read("proxy")?, stop)).await?,
        Role::Store(arguments) => Box::pin(store::run(arguments.read("store")?, stop)).await?,
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
