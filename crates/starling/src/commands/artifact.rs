//! `starling artifact`.

use super::Session;
use anyhow::Context as _;
use artifact::{Envelope, PublicKey, Statement, TrustedKeys};
use clap::{Args, Subcommand};
use console::wire::ArtifactProvenance;
use model::ArtifactId;
use std::process::ExitCode;

/// What can be asked about artifacts.
#[derive(Debug, Subcommand)]
pub enum ArtifactCommand {
    /// Print where an artifact comes from: the signed statement that hosts check before they run it.
    Provenance(ProvenanceOptions),
}

/// Arguments of `starling artifact provenance`.
#[derive(Debug, Args)]
pub struct ProvenanceOptions {
    /// The artifact's whole name, 64 digits.
    artifact: ArtifactId,
    /// A public key whose signature is believed; may be repeated. Without one, no signature is checked.
    #[arg(long = "trusted-key", value_name = "KEY")]
    trusted_keys: Vec<PublicKey>,
}

pub async fn run(command: ArtifactCommand, session: &Session) -> anyhow::Result<ExitCode> {
    let ArtifactCommand::Provenance(options) = command;
    let path = format!("/v1/artifacts/{}/provenance", options.artifact);
    let found: ArtifactProvenance = session.api.get(&path).await?;
    let statement = read(&options, &found)?;
    let checked = !options.trusted_keys.is_empty();
    session
        .form
        .print(&found, |found| describe(&statement, found, checked))?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the statement; checks that it is about the artifact and, where keys are given, that one of them
/// signed it. The server is believed in none of this.
fn read(options: &ProvenanceOptions, found: &ArtifactProvenance) -> anyhow::Result<Statement> {
    let envelope = Envelope::decode(&serde_json::to_vec(&found.envelope)?)?;
    let statement = if options.trusted_keys.is_empty() {
        Statement::decode(envelope.payload())?
    } else {
        let keys = TrustedKeys::new(options.trusted_keys.iter().cloned())?;
        keys.verify_statement(&envelope)
            .context("the provenance is not to be trusted")?
    };
    anyhow::ensure!(
        statement.artifact() == options.artifact,
        "the provenance is about artifact {}, not the one that was asked for",
        statement.artifact()
    );
    Ok(statement)
}

fn describe(statement: &Statement, found: &ArtifactProvenance, checked: bool) -> String {
    let (provenance, run) = (statement.provenance(), statement.run());
    let time = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string());
    let mut lines = vec![
        ("artifact".to_owned(), Some(statement.artifact().to_string())),
        ("repository".to_owned(), Some(provenance.repository.to_string())),
        ("commit".to_owned(), Some(provenance.commit.to_string())),
        ("target".to_owned(), Some(provenance.target.to_string())),
        ("source".to_owned(), run.source.clone()),
        ("revision".to_owned(), run.revision.clone()),
        ("builder".to_owned(), Some(run.builder.clone())),
        ("version".to_owned(), run.version.clone()),
        ("invocation".to_owned(), run.invocation.clone()),
        ("started".to_owned(), time(run.started_on)),
        ("finished".to_owned(), time(run.finished_on)),
    ];
    let environment = run.environment.iter();
    lines.extend(environment.map(|(name, value)| (name.clone(), Some(value.clone()))));
    let verdict = if checked {
        "checked"
    } else {
        "not checked: give --trusted-key"
    };
    lines.push((
        "signed by".to_owned(),
        Some(format!("{} ({verdict})", found.keys.join(", "))),
    ));
    let known = lines
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name:<12}{}", value?)));
    known.collect::<Vec<_>>().join("\n")
}
