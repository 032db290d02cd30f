//! Files that say which release each process stands for now.
//!
//! A process that runs on for another release of the same bytes and settings, as after a rollback of one that never came
//! here, keeps the variables that it was started with. Whoever wants to say which release it is reads the file that
//! `STARLING_RELEASE_FILE` names instead of `STARLING_RELEASE`.

use crate::seat::{Record, Terms};
use fs_err::tokio as fs;
use model::{ReleaseNumber, ServiceName};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Where the process with these terms is told its release. Another one's port is another file.
pub(crate) fn file(agent: &Path, service: &ServiceName, terms: &Terms) -> PathBuf {
    let folder = agent.join("services").join(service.as_str());
    folder.join(format!("release-{}", terms.port))
}

/// What the files say, as far as this life of the agent wrote them.
#[derive(Debug, Default)]
pub(crate) struct Releases(BTreeMap<u16, ReleaseNumber>);

impl Releases {
    /// Writes what has changed for a service's processes. What can't be written is tried again when this is asked next.
    pub(crate) async fn tell(&mut self, agent: &Path, service: &ServiceName, record: &Record) {
        let started = record.tasks().map(|task| &task.terms);
        let starting = record.launching.as_ref().map(|launch| &launch.terms);
        for terms in started.chain(starting) {
            if self.0.get(&terms.port) == Some(&terms.release) {
                continue;
            }
            match write(&file(agent, service, terms), terms.release).await {
                Ok(()) => drop(self.0.insert(terms.port, terms.release)),
                Err(error) => {
                    tracing::warn!(service.name = %service, %error, "failed to say which release a process stands for");
                }
            }
        }
    }
}

/// A reader finds the number before or the one after, never a part of either.
async fn write(file: &Path, release: ReleaseNumber) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).await?;
    }
    let new = file.with_extension("new");
    fs::write(&new, format!("{release}\n")).await?;
    fs::rename(&new, file).await
}
