//! The first steps of an agent's life: finding what the one before left.

use super::Host;
use crate::keepers::Keepers;
use crate::ledger::Ledger;
use crate::managers::Managers;
use crate::seat::{RestartPolicy, Seat};
use crate::shelf::{Obtain, Offers, Shelf};
use crate::{Config, Error, store};
use model::ServiceName;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tasks::task::Task;
use tokio::sync::Notify;

impl Host {
    /// Finds what an earlier life left: its ledger, its tasks, its artifacts.
    pub(crate) async fn open(
        config: Config,
        swarm: swarm::Handle,
        managers: Managers,
        changed: Arc<Notify>,
    ) -> Result<Self, Error> {
        let folder: Arc<Path> = config.folder.as_path().into();
        let (lock, stored) = tokio::task::spawn_blocking({
            let folder = folder.clone();
            move || Ok::<_, Error>((occupy(&folder)?, Ledger::load(&folder)?))
        })
        .await??;
        let mut keepers = Keepers::new(changed);
        let mut seats = BTreeMap::new();
        for (service, record) in &stored.services {
            let seat = adopt(service, Seat::restore(record.clone()), &mut keepers)?;
            seats.insert(service.clone(), seat);
        }
        let trusted_keys = Arc::new(config.trusted_keys.clone());
        let obtain = Obtain {
            folder,
            swarm: swarm.clone(),
            managers,
            trusted_keys,
            offers: Offers::new(store::client().map_err(Error::Client)?),
        };
        let shelf = Shelf::open(obtain, &stored).await?;
        let restart_policy = RestartPolicy {
            delay_min: config.restart_delay_min,
            delay_max: config.restart_delay_max,
        };
        Ok(Self {
            config,
            restart_policy,
            swarm,
            term: stored.term,
            seats,
            shelf,
            keepers,
            neighbours: Vec::new(),
            revoked: Vec::new(),
            heard: false,
            stored,
            store_retry_at: None,
            settled_at: Instant::now(),
            _lock: lock,
        })
    }
}

/// Makes the agent's folder its own.
fn occupy(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let failed = |source| Error::Folder {
        path: path.clone(),
        source,
    };
    fs_err::create_dir_all(folder).map_err(failed)?;
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Occupied {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Finds the task again that an earlier life started for this seat, or notes that it is gone.
fn adopt(service: &ServiceName, mut seat: Seat, keepers: &mut Keepers) -> Result<Seat, Error> {
    let Some(record) = seat.record().task.clone() else {
        return Ok(seat);
    };
    let failed = |source| Error::Adopt {
        service: service.clone(),
        source,
    };
    match Task::adopt(record.process.clone()).map_err(failed)? {
        Some(task) => {
            tracing::info!(service.name = %service, process.id = record.process.pid(), "found a running task again");
            keepers.keep(service.clone(), task, record);
        }
        None => seat.stopped(),
    }
    Ok(seat)
}
