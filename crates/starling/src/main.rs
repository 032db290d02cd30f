//! `starling`: every role and the engineer's command line in one binary.
//!
//! This is the composition root, the only place that reads configuration, arguments and the
//! environment, builds the parts of the floors below and wires them together. It holds no rule of its
//! own: what is decided is decided below.

mod api_client;
mod arguments;
mod commands;
mod config;
mod demo;
mod dev;
mod event_stream;
mod exit;
mod observe;
mod output;
mod roles;
mod simulate;

use arguments::{Arguments, Command};
use clap::Parser;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let form = arguments.shared.form();
    // One provider for the whole process, before anything makes a TLS configuration; an error means
    // that one is installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            anstream::eprintln!("error: failed to start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(arguments));
    // A blocking thread that is stuck in the kernel must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match result {
        Ok(code) => code,
        Err(error) => exit::explain(&error, form),
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let stop = stop_on_signal()?;
    match arguments.command {
        Command::Dev(options) => dev::run(options, stop).await,
        Command::Demo(options) => demo::run(options, stop).await,
        Command::Simulate(options) => simulate::run(options, arguments.shared.form()).await,
        Command::Role(role) => Box::pin(roles::run(role, stop)).await,
        Command::Engineer(command) => Box::pin(commands::run(command, arguments.shared, stop)).await,
    }
}

/// A token that is cancelled by the first SIGINT or SIGTERM. A second one ends the process at once.
fn stop_on_signal() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    tokio::spawn(async move {
        for round in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if round == 1 {
                std::process::exit(exit::INTERRUPTED.into());
            }
            cancelled.cancel();
        }
    });
    Ok(stop)
}
