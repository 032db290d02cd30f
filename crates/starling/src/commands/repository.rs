//! `starling repository`.

use super::Session;
use crate::output::table;
use clap::Subcommand;
use console::wire::{NewRepository, Repository, RepositoryLimit, RepositoryList};
use model::RepositoryName;
use reqwest::Method;
use std::num::NonZeroU32;
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
    /// Limit how many builds of a repository run at once.
    Limit {
        /// Which repository.
        name: RepositoryName,
        /// The most builds that run at once.
        #[arg(long, value_name = "N", required_unless_present = "none")]
        running: Option<NonZeroU32>,
        /// Lift the limit.
        #[arg(long, conflicts_with = "running")]
        none: bool,
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
        RepositoryCommand::Limit {
            name,
            running,
            none: _,
        } => {
            let path = format!("/v1/repositories/{name}/limit");
            let limit = RepositoryLimit { running_max: running };
            let limited: Repository = session.api.send_json(Method::PUT, &path, &limit).await?;
            session.form.print(&limited, |limited| {
                format!("{} runs {}", limited.name, at_once(limited.running_max))
            })?;
        }
        RepositoryCommand::List => {
            let list: RepositoryList = session.api.get("/v1/repositories").await?;
            session.form.print(&list, |list| {
                let rows = list.repositories.iter().map(|row| {
                    [
                        row.name.to_string(),
                        row.url.to_string(),
                        at_once(row.running_max),
                        row.actor.to_string(),
                    ]
                });
                table(["NAME", "URL", "RUNS", "BY"], rows)
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn at_once(running_max: Option<u32>) -> String {
    running_max.map_or_else(|| "all at once".to_owned(), |max| format!("{max} at once"))
}

/// `.` and other folders that exist here become the address that git and the server understand.
fn local_folder_as_url(url: String) -> String {
    match fs_err::canonicalize(&url) {
        Ok(folder) if folder.is_dir() => format!("file://{}", folder.display()),
        _ => url,
    }
}
