//! What an agent remembers over a restart, in one small file.
//!
//! The file is replaced as a whole: written beside, flushed, renamed, and the folder flushed. Whoever reads it finds what
//! was last stored or what was stored before it, never a mixture.

use crate::Error;
use crate::ports::Ports;
use crate::seat::Record;
use crate::users::Users;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use model::control::RegionControls;
use model::instance::Transfer;
use model::{ArtifactId, ServiceName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The longest ledger that is read, in bytes: several times what an agent with the most services, each with the longest
/// spec that fits an answer, would write.
const LEDGER_LENGTH_MAX: u64 = 256 << 20;

/// Everything that must be on the disk before the agent acts on it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// The newest term of a leading manager that was seen.
    pub term: i64,
    /// Every service that was ever ordered here and not forgotten since.
    pub services: BTreeMap<ServiceName, Record>,
    /// The newest that was said about the region's distributions.
    #[serde(default)]
    pub controls: RegionControls,
    /// Which ports the services' tasks have.
    #[serde(default)]
    pub ports: Ports,
    /// As which users the services' tasks run.
    #[serde(default)]
    pub users: Users,
    /// How the bytes of the artifacts on this disk came, when they came.
    pub transfers: BTreeMap<ArtifactId, Transfer>,
}

impl Ledger {
    /// Reads what an earlier agent stored; an empty ledger where there was none.
    ///
    /// # Errors
    /// If the file is there and damaged: forgetting silently could bring an old release back.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let path = path(folder);
        let failed = |source| Error::Folder {
            path: path.clone(),
            source,
        };
        let length = match fs::metadata(&path) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error)),
        };
        if length > LEDGER_LENGTH_MAX {
            return Err(Error::LedgerLength { path, length });
        }
        let bytes = fs::read(&path).map_err(failed)?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Ledger { path, source })
    }

    /// Makes this ledger the one that the next [`Ledger::load`] finds. Blocks until the disk has it.
    ///
    /// # Errors
    /// If the disk doesn't take it; the ledger stored before is still there then.
    pub fn store(&self, folder: &Path) -> io::Result<()> {
        let path = path(folder);
        let beside = path.with_extension("json.new");
        // It holds what services are told, secrets among it.
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        fs::File::open(folder)?.sync_all()
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("ledger.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let transfer = Transfer {
            total_bytes: 3,
            peer_bytes: 3,
            ..Transfer::default()
        };
        Ledger {
            term: 7,
            services: BTreeMap::new(),
            controls: RegionControls::default(),
            ports: Ports::default(),
            users: Users::default(),
            transfers: [(ArtifactId([9; 32]), transfer)].into(),
        }
    }

    #[test]
    fn what_was_stored_is_found_again_whatever_lies_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Ledger::load(folder.path()).unwrap(), Ledger::default());
        ledger().store(folder.path()).unwrap();
        // An agent that was killed while it wrote.
        std::fs::write(folder.path().join("ledger.json.new"), "{\"ter").unwrap();
        assert_eq!(Ledger::load(folder.path()).unwrap(), ledger());
        ledger().store(folder.path()).unwrap();
        assert_eq!(Ledger::load(folder.path()).unwrap(), ledger());
    }

    #[test]
    fn a_damaged_ledger_is_never_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        for damage in ["", "{\"term\":", "null"] {
            std::fs::write(folder.path().join("ledger.json"), damage).unwrap();
            let error = Ledger::load(folder.path()).unwrap_err();
            assert!(matches!(error, Error::Ledger { .. }), "{error}");
        }
    }

    #[test]
    fn a_ledger_of_an_agent_that_knew_neither_leases_nor_cut_overs_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let old = r#"{"term":3,"services":{"web":{"epoch":4,"desired":null,"active":null,"previous":null,"port":20001,
            "task":{"release":2,"artifact":"ARTIFACT","port":20001,
                "health":{"path":"/healthz","interval_ms":500,"timeout_ms":2000,"healthy_after":2,"unhealthy_after":3},
                "stop_timeout_seconds":10,
                "process":{"pid":7,"start_ticks":1,"boot":"b","log":{"path":"log","length_max":1}}}}},
            "transfers":{}}"#;
        let old = old.replace("ARTIFACT", &ArtifactId([9; 32]).to_string());
        std::fs::write(folder.path().join("ledger.json"), old).unwrap();
        let ledger = Ledger::load(folder.path()).unwrap();
        let record = &ledger.services[&"web".parse().unwrap()];
        let task = record.task.as_ref().unwrap();
        assert_eq!((task.terms.port, task.process.pid()), (20_001, 7));
        assert_eq!((&record.launching, &record.beside), (&None, &None));
        ledger.store(folder.path()).unwrap();
        assert_eq!(Ledger::load(folder.path()).unwrap(), ledger);
    }
}
