//! The first steps of an agent's life: finding what the one before left.

use super::Host;
use crate::fronts::Fronts;
use crate::keepers::Keepers;
use crate::ledger::Ledger;
use crate::managers::Managers;
use crate::releases::Releases;
use crate::seat::{Launch, RestartPolicy, Seat, TaskRecord, Terms};
use crate::shelf::{Obtain, Offers, Shelf};
use crate::{Config, Error, store};
use crate::{isolating, launch};
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
        fronts: Fronts,
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
        let mut found = Vec::new();
        let mut ports = stored.ports.clone();
        for (service, record) in &stored.services {
            let mut seat = Seat::restore(record.clone());
            for (task, terms) in adopt(service, &mut seat, &config).await? {
                ports.hold(service, terms.port);
                found.push((service.clone(), task, terms));
            }
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
        for (service, task, terms) in found {
            let target = launch::target(&config, &service, shelf.folder(&terms.artifact), &terms);
            keepers.keep(service, task, terms, target);
        }
        let means = isolating::look(&config).await;
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
            ports,
            users: stored.users.clone(),
            means,
            fronts,
            releases: Releases::default(),
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

/// Finds the tasks again that an earlier life started for this seat, and notes which are gone.
async fn adopt(service: &ServiceName, seat: &mut Seat, config: &Config) -> Result<Vec<(Task, Terms)>, Error> {
    let failed = |source| Error::Adopt {
        service: service.clone(),
        source,
    };
    let mut found = Vec::new();
    let tasks: Vec<TaskRecord> = seat.record().tasks().cloned().collect();
    for record in tasks {
        match Task::adopt(record.process.clone()).await.map_err(failed)? {
            Some(task) => {
                tracing::info!(service.name = %service, process.id = record.process.pid(), "found a running task again");
                found.push((task, record.terms));
            }
            None => seat.stopped(record.terms.port),
        }
    }
    if let Some(launch) = seat.record().launching.clone() {
        let terms = launch.terms.clone();
        let task = match find(launch, config).await.map_err(failed)? {
            Some(process) => Task::adopt(process).await.map_err(failed)?,
            None => None,
        };
        match task {
            Some(task) => {
                tracing::info!(service.name = %service, process.id = task.record().pid(), "found a task that was just being started");
                seat.started(task.record().clone());
                found.push((task, terms));
            }
            None => seat.not_started(),
        }
    }
    Ok(found)
}

/// Finds what was just being started when the agent's earlier life ended.
async fn find(launch: Launch, config: &Config) -> Result<Option<tasks::task::Record>, tasks::Error> {
    let (id, log, limits) = (launch.id, launch.log, launch.terms.limits);
    if launch.terms.container {
        return Task::find_container(&config.containers, &id, &log, &limits).await;
    }
    let groups = config.groups.clone();
    let find = move || Task::find(&id, &log, &limits, groups.as_ref());
    tokio::task::spawn_blocking(find)
        .await
        .map_err(|_| tasks::Error::Lost)?
}
