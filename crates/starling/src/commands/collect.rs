//! `starling collect`.

use super::Session;
use crate::output::{bytes, table};
use clap::Args;
use console::wire::{Collection, CollectionEntry};
use reqwest::Method;
use std::process::ExitCode;

const DAY_SECONDS: u64 = 24 * 3_600;

/// Arguments of `starling collect`.
#[derive(Debug, Args)]
pub struct Options {
    /// Let it go: without this, nothing is changed.
    #[arg(long)]
    apply: bool,
}

pub async fn run(options: Options, session: &Session) -> anyhow::Result<ExitCode> {
    let path = "/v1/collection";
    let collection: Collection = if options.apply {
        session.api.send_json(Method::POST, path, &()).await?
    } else {
        session.api.get(path).await?
    };
    session.form.print(&collection, describe)?;
    Ok(ExitCode::SUCCESS)
}

fn describe(collection: &Collection) -> String {
    let entries = collection.collected.iter().chain(&collection.kept);
    let verb = if collection.applied { "goes" } else { "would go" };
    let rows = entries.map(|entry: &CollectionEntry| {
        [
            entry.artifact.short(),
            format!("{} {}", entry.repository, entry.target),
            bytes(entry.total_bytes),
            format!("{} days", entry.age_seconds / DAY_SECONDS),
            match &entry.reason {
                Some(reason) => format!("kept: {reason}"),
                None => verb.to_owned(),
            },
        ]
    });
    let listed = table(["ARTIFACT", "TARGET", "SIZE", "AGE", ""], rows);
    let (count, freed) = (collection.collected.len(), bytes(collection.freed_bytes));
    let going = match collection.being_removed {
        0 => String::new(),
        removed => format!("\n{removed} artifacts that were let go of are being removed from the stores"),
    };
    let summary = match (count, collection.applied) {
        (0, _) => "nothing may go".to_owned(),
        (_, true) => {
            format!("{count} artifacts are withdrawn; {freed} are freed in each store that holds them")
        }
        (_, false) => format!(
            "{count} artifacts would go and free {freed} in each of up to {} stores; nothing was changed: give --apply",
            collection.stores
        ),
    };
    format!("{listed}\n{summary}{going}")
}
