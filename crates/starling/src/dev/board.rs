//! `processes.json`: which process is which, for people and for fault tests.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What is known of a process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Its process id, while it runs.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u32,
}

/// Keeps the file true.
#[derive(Debug, Clone)]
pub struct Board {
    file: PathBuf,
    processes: Arc<Mutex<BTreeMap<String, ProcessStatus>>>,
}

impl Board {
    /// With no process yet.
    pub fn new(file: PathBuf) -> Self {
        Self {
            file,
            processes: Arc::default(),
        }
    }

    /// Notes how a process stands. A failure to write it costs only the convenience.
    pub fn note(&self, name: &str, status: ProcessStatus) {
        // A panic elsewhere leaves the map whole: every change is one insertion.
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        processes.insert(name.to_owned(), status);
        let beside = self.file.with_extension("new");
        let written = serde_json::to_vec_pretty(&*processes)
            .map_err(std::io::Error::other)
            .and_then(|bytes| fs_err::write(&beside, bytes))
            .and_then(|()| fs_err::rename(&beside, &self.file));
        if let Err(error) = written {
            tracing::warn!(%error, "processes.json could not be written");
        }
    }
}
