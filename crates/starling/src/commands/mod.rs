//! The engineer's commands: each talks to the API and to nothing else.

mod artifact;
mod audit;
mod build;
mod cancel;
mod collect;
mod configuration;
mod deploy;
mod diff;
mod distribution;
mod follow;
mod governance;
mod instances;
mod join_token;
mod limits;
mod logs;
mod node;
mod policy;
mod regions;
mod repository;
mod rollout;
mod service;
mod status;
pub mod wait;
mod workers;

use crate::api_client::ApiClient;
use crate::arguments::SharedArguments;
use crate::exit;
use crate::output::Form;
use clap::Subcommand;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// What an engineer can ask for.
#[derive(Debug, Subcommand)]
pub enum EngineerCommand {
    /// Register git repositories.
    #[command(subcommand)]
    Repository(repository::RepositoryCommand),
    /// Build a target of a repository at a commit, branch or tag, and follow it.
    Build(build::Options),
    /// List builds, newest first.
    Builds(build::ListOptions),
    /// See where artifacts come from.
    #[command(subcommand)]
    Artifact(artifact::ArtifactCommand),
    /// See which artifacts nobody needs any more, and let them go.
    Collect(collect::Options),
    /// Print a build's log, or with --host what a service's tasks write there.
    Logs(logs::Options),
    /// Cancel a build or deployment that has not ended.
    Cancel(cancel::Options),
    /// Register services: what runs where, and how its health is asked.
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Move a service to a build's artifact by waves, and follow it.
    Deploy(deploy::Options),
    /// Go back to the last release that succeeded, everywhere, ahead of whatever is in flight.
    #[command(visible_alias = "roll-back")]
    Rollback(rollout::RollBackOptions),
    /// Pause, resume, step or abort a service's rollout; see what is in flight and what is held.
    #[command(subcommand)]
    Rollout(rollout::RolloutCommand),
    /// Keep and list versions of a service's configuration.
    #[command(subcommand)]
    Configuration(configuration::ConfigurationCommand),
    /// Show the commits and settings that a build's deployment would change, region by region.
    Diff(diff::Options),
    /// List deployments, newest first.
    Deployments(deploy::ListOptions),
    /// See and control artifacts on their way to hosts.
    #[command(subcommand)]
    Distribution(distribution::DistributionCommand),
    /// Limit how fast a region's hosts exchange pieces.
    #[command(subcommand)]
    Limits(limits::LimitsCommand),
    /// Let machines into a region's swarm: make, list and withdraw single-use join tokens.
    #[command(subcommand)]
    JoinToken(join_token::JoinTokenCommand),
    /// List the machines of the regions' swarms, and revoke them.
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// List the regions, their hosts, and how long artifacts take to them.
    Regions,
    /// List every host and program that takes part, what it runs and how it is; or take a program out.
    Instances(instances::Options),
    /// Say what may not be deployed when, who may do what, and what needs whose consent.
    #[command(subcommand)]
    Policy(governance::PolicyCommand),
    /// List who did what, newest first, and check that nobody changed the list.
    Audit(audit::Options),
    /// List the build workers, what they run, and how much waits for them.
    Workers,
    /// Show the whole way of a build or deployment, or of everything.
    Status(status::Options),
}

/// What every command is handed.
#[derive(Debug, Clone)]
pub struct Session {
    /// The API, as this engineer.
    pub api: ApiClient,
    /// How to answer.
    pub form: Form,
}

/// Runs one command; Ctrl-C ends it.
pub async fn run(
    command: EngineerCommand,
    shared: SharedArguments,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let form = shared.form();
    let api = ApiClient::discover(shared.api, shared.token_file)?;
    let session = Session { api, form };
    let dispatched = async {
        match command {
            EngineerCommand::Repository(command) => repository::run(command, &session).await,
            EngineerCommand::Build(options) => build::run(options, &session).await,
            EngineerCommand::Builds(options) => build::list(&options, &session).await,
            EngineerCommand::Artifact(command) => artifact::run(command, &session).await,
            EngineerCommand::Collect(options) => collect::run(options, &session).await,
            EngineerCommand::Logs(options) => logs::run(&options, &session).await,
            EngineerCommand::Cancel(options) => cancel::run(options, &session).await,
            EngineerCommand::Service(command) => service::run(command, &session).await,
            EngineerCommand::Deploy(options) => deploy::run(options, &session).await,
            EngineerCommand::Rollback(options) => rollout::roll_back(options, &session).await,
            EngineerCommand::Rollout(command) => rollout::run(command, &session).await,
            EngineerCommand::Configuration(command) => configuration::run(command, &session).await,
            EngineerCommand::Diff(options) => diff::run(&options, &session).await,
            EngineerCommand::Deployments(options) => deploy::list(&options, &session).await,
            EngineerCommand::Distribution(command) => distribution::run(command, &session).await,
            EngineerCommand::Limits(command) => limits::run(command, &session).await,
            EngineerCommand::JoinToken(command) => join_token::run(command, &session).await,
            EngineerCommand::Node(command) => node::run(command, &session).await,
            EngineerCommand::Regions => regions::list(&session).await,
            EngineerCommand::Instances(options) => instances::run(options, &session).await,
            EngineerCommand::Policy(command) => governance::run(command, &session).await,
            EngineerCommand::Audit(options) => audit::run(&options, &session).await,
            EngineerCommand::Workers => workers::list(&session).await,
            EngineerCommand::Status(options) => status::run(&options, &session).await,
        }
    };
    tokio::select! {
        result = dispatched => result,
        () = stop.cancelled() => Ok(ExitCode::from(exit::INTERRUPTED)),
    }
}
