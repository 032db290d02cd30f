//! `starling audit`.

use super::Session;
use crate::output::table;
use clap::Args;
use console::wire::{AuditEntry, AuditList, AuditVerified};
use std::process::ExitCode;

/// Arguments of `starling audit`.
#[derive(Debug, Args)]
pub struct Options {
    /// Follow the whole trail and say whether it is what was written. Keep the hash that is printed somewhere else: it
    /// tells later whether the trail was written anew.
    #[arg(long)]
    verify: bool,
    /// How many entries, at most 200.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Only entries before this number.
    #[arg(long)]
    before: Option<i64>,
}

pub async fn run(options: &Options, session: &Session) -> anyhow::Result<ExitCode> {
    if options.verify {
        let verified: AuditVerified = session.api.get("/v1/audit/verification").await?;
        session.form.print(&verified, |verified| {
            format!(
                "{} entries are what was written\n{}",
                verified.entries, verified.link
            )
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let before = options
        .before
        .map(|number| format!("&before={number}"))
        .unwrap_or_default();
    let path = format!("/v1/audit?limit={}{before}", options.limit);
    let list: AuditList = session.api.get(&path).await?;
    session.form.print(&list, |list| entries_table(&list.entries))?;
    Ok(ExitCode::SUCCESS)
}

fn entries_table(entries: &[AuditEntry]) -> String {
    let rows = entries.iter().map(|AuditEntry { entry, .. }| {
        [
            entry.number.to_string(),
            entry.at.to_string(),
            entry.actor.to_string(),
            entry.action.clone(),
            entry.subject.clone(),
            entry.detail.to_string(),
        ]
    });
    table(["ENTRY", "WHEN", "BY", "WHAT", "SUBJECT", "DETAIL"], rows)
}
