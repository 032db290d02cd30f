//! The command line's grammar.

use crate::commands::EngineerCommand;
use crate::config::ConfigArguments;
use crate::output::Form;
use crate::{demo, dev, exit, simulate};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// A commit goes in, and minutes later every machine in the world runs it, provably the same bytes.
#[derive(Debug, Parser)]
#[command(version, about, after_help = exit::HELP, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub shared: SharedArguments,
    #[command(subcommand)]
    pub command: Command,
}

/// What every engineer's command understands.
#[derive(Debug, Clone, Args)]
pub struct SharedArguments {
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// The API's address; found through the data folder of `starling dev` otherwise.
    #[arg(long, global = true, env = "STARLING_API", value_name = "URL")]
    pub api: Option<String>,
    /// A file that holds the API token.
    #[arg(long, global = true, env = "STARLING_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl SharedArguments {
    /// The form in which the answer is wanted.
    pub fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::Text }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole system on this machine, in one process tree.
    Dev(dev::Options),
    /// Run the main job on this repository's own history and print how long each step took.
    Demo(demo::Options),
    /// Simulate a region's swarm by the rules that hosts run, and compare it with the physical limit.
    Simulate(simulate::Options),
    #[command(flatten)]
    Engineer(EngineerCommand),
    #[command(flatten)]
    Role(Role),
}

/// Arguments of `starling worker`.
#[derive(Debug, Args)]
pub struct WorkerArguments {
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Build nothing: print as JSON how many builds wait, for how long, and how many slots there are and could be
    /// used, for an autoscaler. Of the configuration it needs `jobs_url` only.
    #[arg(long)]
    pub autoscale_hint: bool,
}

/// The roles of an installation.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Serve the API and the console.
    #[command(display_order = 100)]
    Api(ConfigArguments),
    /// Build what is queued.
    #[command(display_order = 101)]
    Worker(WorkerArguments),
    /// Reap lost builds, publish desired state, drive deployments.
    #[command(display_order = 102)]
    Controller(ConfigArguments),
    /// Copy artifacts to every region's store and record what was verified.
    #[command(display_order = 103)]
    Synchronizer(ConfigArguments),
    /// Manage one region: seed its swarm and lead its hosts.
    #[command(display_order = 104)]
    Region(ConfigArguments),
    /// Fetch, verify and run releases on one host.
    #[command(display_order = 105)]
    Agent(ConfigArguments),
    /// Hold the stable ports of one host's services; a second one takes over from the first without a gap.
    #[command(display_order = 106)]
    Proxy(ConfigArguments),
    /// Serve a small durable S3 store (for development; use real S3 at scale).
    #[command(display_order = 107)]
    Store(ConfigArguments),
}
