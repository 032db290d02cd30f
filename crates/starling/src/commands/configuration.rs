//! `starling configuration`: versions of a service's variables.

use super::Session;
use crate::output::table;
use clap::{Args, Subcommand};
use console::wire::{ConfigurationList, ConfigurationVersionRow};
use model::{ConfigurationVersion, ServiceName};
use reqwest::Method;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// What can be done with configurations.
#[derive(Debug, Subcommand)]
pub enum ConfigurationCommand {
    /// Keep a version. It never changes; other variables need another version.
    Set(SetOptions),
    /// List a service's versions, newest first.
    List(ListOptions),
}

/// Arguments of `starling configuration set`.
#[derive(Debug, Args)]
pub struct SetOptions {
    /// Whose configuration.
    service: ServiceName,
    /// The version's name, such as 2026-11-26.
    version: ConfigurationVersion,
    /// Variables of the process, `NAME=VALUE`.
    #[arg(value_parser = variable)]
    variables: Vec<(String, String)>,
}

/// Arguments of `starling configuration list`.
#[derive(Debug, Args)]
pub struct ListOptions {
    /// Whose configurations.
    service: ServiceName,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

pub async fn run(command: ConfigurationCommand, session: &Session) -> anyhow::Result<ExitCode> {
    match command {
        ConfigurationCommand::Set(options) => {
            let SetOptions {
                service,
                version,
                variables,
            } = options;
            let variables: BTreeMap<String, String> = variables.into_iter().collect();
            let path = format!("/v1/services/{service}/configurations/{version}");
            session.api.send_empty(Method::PUT, &path, &variables).await?;
        }
        ConfigurationCommand::List(ListOptions { service }) => {
            let path = format!("/v1/services/{service}/configurations");
            let list: ConfigurationList = session.api.get(&path).await?;
            session.form.print(&list, list_text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list_text(list: &ConfigurationList) -> String {
    let rows = list.configurations.iter().map(|row: &ConfigurationVersionRow| {
        let version = row.configuration.version.as_ref();
        [
            version.map(ToString::to_string).unwrap_or_default(),
            row.configuration.variables.len().to_string(),
            row.actor.to_string(),
            row.created_at.to_string(),
        ]
    });
    table(["VERSION", "VARIABLES", "BY", "MADE"], rows)
}
