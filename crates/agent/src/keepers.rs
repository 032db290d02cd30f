//! The tasks that run: one keeper each, which asks for its health, notices its end and stops it.

use crate::reason::{cut, reason};
use crate::seat::{Health, Process, TaskRecord, Terms};
use crate::{Error, logs};
use model::ServiceName;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tasks::health::{self, Streak, Target};
use tasks::task::{Ended, LogFile, Task};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// After how many bad answers it is told what a task that does not answer yet has written.
const SILENCE_LONG: u32 = 5;

/// Every task that runs here, by its port, which no other has while it runs. Dropping it only stops watching; the tasks
/// go on.
#[derive(Debug)]
pub(crate) struct Keepers {
    kept: BTreeMap<u16, Kept>,
    /// At most two a service.
    keepers: JoinSet<End>,
    /// Told whenever the health of a task changes.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Kept {
    stop: CancellationToken,
    health: watch::Receiver<Health>,
}

/// How a task came to its end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) service: ServiceName,
    pub(crate) port: u16,
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

    /// Watches over a task from now on, and asks its health as `target` says.
    pub(crate) fn keep(&mut self, service: ServiceName, task: Task, terms: Terms, mut target: Target) {
        target.process = Some(task.record().pid());
        let (sender, health) = watch::channel(Health::Silent(None));
        let stop = CancellationToken::new();
        let port = terms.port;
        let keeper = Keeper {
            task,
            terms,
            target,
            health: sender,
            changed: self.changed.clone(),
        };
        self.keepers.spawn(keeper.run(service, stop.clone()));
        let kept = Kept { stop, health };
        self.kept.insert(port, kept);
    }

    /// Asks the task with this port to end; [`Keepers::next_end`] says when it has.
    pub(crate) fn stop(&self, port: u16) {
        if let Some(kept) = self.kept.get(&port) {
            kept.stop.cancel();
        }
    }

    /// Asks all tasks to end.
    pub(crate) fn stop_all(&self) {
        self.kept.values().for_each(|kept| kept.stop.cancel());
    }

    /// How a task is.
    pub(crate) fn process(&self, task: Option<&TaskRecord>) -> Process {
        let terms = task.map(|task| &task.terms);
        let Some((terms, kept)) = terms.and_then(|terms| Some((terms, self.kept.get(&terms.port)?))) else {
            return Process::Absent;
        };
        // As the record says: a process that runs on for a release of the same bytes has that one's number.
        let (release, port) = (terms.release, terms.port);
        if kept.stop.is_cancelled() {
            Process::Stopping { release, port }
        } else {
            Process::Up {
                release,
                port,
                health: kept.health.borrow().clone(),
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
                self.kept.remove(&end.port);
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

/// How long a task has not answered yet.
#[derive(Debug, Default)]
struct Silence {
    /// Bad answers.
    count: u32,
    /// What it wrote instead.
    words: Option<String>,
}

/// Looks after one task until it ends.
struct Keeper {
    task: Task,
    terms: Terms,
    target: Target,
    health: watch::Sender<Health>,
    changed: Arc<Notify>,
}

impl Keeper {
    async fn run(self, service: ServiceName, stop: CancellationToken) -> End {
        let began = Instant::now();
        let failure = tokio::select! {
            ended = self.task.wait() => Some(self.explain(ended).await),
            () = self.ask_for_ever() => None,
            () = stop.cancelled() => {
                logs::say(self.log(), format!("release {} is asked to stop", self.terms.release)).await;
                let ended = self.task.stop(Duration::from_secs(self.terms.stop_timeout_seconds.into())).await;
                logs::say(self.log(), self.describe(ended)).await;
                None
            }
        };
        End {
            service,
            port: self.terms.port,
            failure,
            ran: began.elapsed(),
        }
    }

    fn log(&self) -> &LogFile {
        self.task.record().log()
    }

    fn describe(&self, ended: Ended) -> String {
        format!("the process of release {} {ended}", self.terms.release)
    }

    /// How it ended unasked, with what it wrote.
    async fn explain(&self, ended: Ended) -> String {
        let how = self.describe(ended);
        logs::say(self.log(), how.clone()).await;
        match logs::last_words(self.log()).await {
            Some(words) => cut(format!("{how}; it wrote {words}")),
            None => cut(how),
        }
    }

    /// Why it doesn't answer, with what it wrote, of which is told in steps as of the counts of good answers.
    async fn explain_silence(&self, silence: &mut Silence, error: &health::Unhealthy) -> String {
        silence.count = silence.count.saturating_add(1);
        if silence.count >= SILENCE_LONG && rounded(silence.count) == silence.count {
            silence.words = logs::last_words(self.log()).await;
        }
        match &silence.words {
            Some(words) => cut(format!("{}; it wrote {words}", reason(error))),
            None => reason(error),
        }
    }

    async fn ask_for_ever(&self) {
        let check = &self.terms.health;
        let mut ticks = tokio::time::interval(Duration::from_millis(check.interval_ms.into()));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut streak = Streak::new(check);
        let mut silence = Silence::default();
        loop {
            ticks.tick().await;
            let answer = health::ask(&self.target, check).await;
            let now = match (streak.observe(answer.is_ok(), Instant::now()), answer) {
                (health::Health::Good, _) => Health::Healthy {
                    observations: rounded(streak.observations()),
                },
                (health::Health::Unproven, Ok(())) => Health::Answering,
                (health::Health::Unproven, Err(error)) => {
                    Health::Silent(Some(self.explain_silence(&mut silence, &error).await))
                }
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

/// The largest of 1, 2, 5, 10, 20, 50 … that is not above a count, and 0 for 0: what is told by change changes seldom.
fn rounded(count: u32) -> u32 {
    let Some(digits) = count.checked_ilog10() else {
        return 0;
    };
    let power = 10_u32.pow(digits);
    match count / power {
        1 => power,
        2..5 => 2 * power,
        _ => 5 * power,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_in_steps() {
        let told: Vec<u32> = [0, 1, 2, 3, 4, 5, 9, 10, 19, 20, 49, 50, 99, 100, 7_000, u32::MAX]
            .into_iter()
            .map(rounded)
            .collect();
        assert_eq!(
            told,
            [
                0,
                1,
                2,
                2,
                2,
                5,
                5,
                10,
                10,
                20,
                20,
                50,
                50,
                100,
                5_000,
                2_000_000_000
            ]
        );
    }
}
