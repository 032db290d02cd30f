//! The tasks that run: one keeper each, which asks for its health, notices its end and stops it.

use crate::Error;
use crate::reason::{cut, reason};
use crate::seat::{Health, Process, TaskRecord};
use model::ServiceName;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tasks::health::{self, Streak};
use tasks::task::{Ended, Task};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Every task that runs here, by service. Dropping it only stops watching; the tasks go on.
#[derive(Debug)]
pub(crate) struct Keepers {
    kept: BTreeMap<ServiceName, Kept>,
    /// At most one a service, so at most as many as there are services.
    keepers: JoinSet<End>,
    /// Told whenever the health of a task changes.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Kept {
    record: TaskRecord,
    stop: CancellationToken,
    health: watch::Receiver<Health>,
}

/// How a task came to its end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) service: ServiceName,
    /// Why, unless it was asked to.
    pub(crate) failure: Option<String>,
    /// How long this agent has watched it.
    pub(crate) ran: Duration,
}

impl Keepers {
    pub(crate) fn new(changed: Arc<Notify>) -> Self {
        Self {
            kept: BTreeMap::new(),
            keepers: JoinSet::new(),
            changed,
        }
    }

    /// Watches over a task from now on.
    pub(crate) fn keep(&mut self, service: ServiceName, task: Task, record: TaskRecord) {
        let (sender, health) = watch::channel(Health::Silent(None));
        let stop = CancellationToken::new();
        let keeper = Keeper {
            task,
            record: record.clone(),
            health: sender,
            changed: self.changed.clone(),
        };
        self.keepers.spawn(keeper.run(service.clone(), stop.clone()));
        self.kept.insert(service, Kept { record, stop, health });
    }

    /// Asks a service's task to end; [`Keepers::next_end`] says when it has.
    pub(crate) fn stop(&self, service: &ServiceName) {
        if let Some(kept) = self.kept.get(service) {
            kept.stop.cancel();
        }
    }

    /// Asks all tasks to end.
    pub(crate) fn stop_all(&self) {
        self.kept.values().for_each(|kept| kept.stop.cancel());
    }

    /// How a service's task is.
    pub(crate) fn process(&self, service: &ServiceName) -> Process {
        let Some(Kept { record, stop, health }) = self.kept.get(service) else {
            return Process::Absent;
        };
        let (release, port) = (record.release, record.port);
        if stop.is_cancelled() {
            Process::Stopping { release, port }
        } else {
            Process::Up {
                release,
                port,
                health: health.borrow().clone(),
            }
        }
    }

    /// Waits for the next task to end; for ever when none runs.
    ///
    /// # Errors
    /// If a keeper panicked.
    pub(crate) async fn next_end(&mut self) -> Result<End, Error> {
        match self.keepers.join_next().await {
            Some(end) => {
                let end = end?;
                self.kept.remove(&end.service);
                Ok(end)
            }
            None => std::future::pending().await,
        }
    }

    /// Whether no task runs.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

/// Looks after one task until it ends.
struct Keeper {
    task: Task,
    record: TaskRecord,
    health: watch::Sender<Health>,
    changed: Arc<Notify>,
}

impl Keeper {
    async fn run(self, service: ServiceName, stop: CancellationToken) -> End {
        let began = Instant::now();
        let failure = tokio::select! {
            ended = self.task.wait() => Some(self.describe(ended)),
            () = self.ask_for_ever() => None,
            () = stop.cancelled() => {
                self.task.stop(Duration::from_secs(self.record.stop_timeout_seconds.into())).await;
                None
            }
        };
        End {
            service,
            failure,
            ran: began.elapsed(),
        }
    }

    fn describe(&self, ended: Ended) -> String {
        cut(format!("the process of release {} {ended}", self.record.release))
    }

    async fn ask_for_ever(&self) {
        let check = &self.record.health;
        let mut ticks = tokio::time::interval(Duration::from_millis(check.interval_ms.into()));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut streak = Streak::new(check);
        loop {
            ticks.tick().await;
            let answer = health::ask(self.record.port, check).await;
            let now = match (streak.observe(answer.is_ok()), answer) {
                (health::Health::Good, _) => Health::Healthy,
                (health::Health::Unproven, Ok(())) => Health::Answering,
                (health::Health::Unproven, Err(error)) => Health::Silent(Some(reason(&error))),
                (health::Health::Bad, Err(error)) => Health::Failing(reason(&error)),
                // On its way back to health: what was wrong still is what there is to say.
                (health::Health::Bad, Ok(())) => continue,
            };
            if self
                .health
                .send_if_modified(|before| std::mem::replace(before, now.clone()) != now)
            {
                self.changed.notify_one();
            }
        }
    }
}
