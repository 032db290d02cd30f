//! `starling repository`.

use super::Session;
use crate::output::table;
use clap::Subcommand;
use console::wire::{NewRepository, Repository, RepositoryList};
use model::RepositoryName;
use reqwest::Method;
use std::process::ExitCode;

/// What can be done with repositories.
#[derive(Debug, Subcommand)]
pub enum RepositoryCommand {
    /// Register a repository, or change its address.
    Add {
        /// How builds will name it.
        name: RepositoryName,
        /// Where git fetches it from; a folder of this machine works in `starling dev`.
        url: String,
    },
    /// List the registered repositories.
    List,
}

pub async fn run(command: RepositoryCommand, session: &Session) -> anyhow::Result<ExitCode> {
    match command {
        RepositoryCommand::Add { name, url } => {
            let request = NewRepository {
                name,
                url: local_folder_as_url(url),
            };
            let added: Repository = session
                .api
                .send_json(Method::POST, "/v1/repositories", &request)
                .await?;
            session.form.print(&added, |added| {
                format!(
                    "registered {} from {}\nnext: starling build {} main //folder:target",
                    added.name, added.url, added.name
                )
            })?;
        }
        RepositoryCommand::List => {
            let list: RepositoryList = session.api.get("/v1/repositories").await?;
            session.form.print(&list, |list| {
                let rows = list
                    .repositories
                    .iter()
                    .map(|row| [row.name.to_string(), row.url.to_string(), row.actor.to_string()]);
                table(["NAME", "URL", "BY"], rows)
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `.` and other folders that exist here become the address that git and the server understand.
fn local_folder_as_url(url: String) -> String {
    match fs_err::canonicalize(&url) {
        Ok(folder) if folder.is_dir() => format!("file://{}", folder.display()),
        _ => url,
    }
}
