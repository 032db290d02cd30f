//! Questions about the output of tasks, on their way to the regions.
//!
//! Nobody can reach into a region, so a question waits here until the region's leading manager, which asks again and
//! again, has taken it and brought the answer. Who asks and the manager must therefore meet at the same server: where
//! several stand behind one address, requests are spread by region (all of these addresses name it), and without that a
//! question is answered by nobody and says so.

use crate::refusal::LogRefused;
use model::task_log::{LOG_QUESTIONS_MAX, LogAnswer, LogAsked, LogPart, LogQuestion, LogsAsked};
use model::{HostName, RegionName};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// The most questions that wait or are on their way.
const WAITING_MAX: usize = 256;
/// How long a question waits for its answer: a manager takes it at once, and a host answers within ten seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// The questions. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct TaskLogs {
    waiting: Arc<Mutex<Waiting>>,
    /// Changes whenever there is a new question.
    news: watch::Sender<u64>,
    patience: Duration,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    questions: BTreeMap<u64, Question>,
}

#[derive(Debug)]
struct Question {
    region: RegionName,
    asked: LogAsked,
    /// Whether a manager has taken it.
    taken: bool,
    reply: oneshot::Sender<LogAnswer>,
}

/// A question's place, given up when nobody waits any more.
struct Place<'a> {
    logs: &'a TaskLogs,
    id: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.logs.waiting().questions.remove(&self.id);
    }
}

impl Default for TaskLogs {
    fn default() -> Self {
        Self {
            waiting: Arc::default(),
            news: watch::channel(0).0,
            patience: PATIENCE,
        }
    }
}

impl TaskLogs {
    /// Asks a host, by way of its region's manager.
    ///
    /// # Errors
    /// If too many ask, the region or the host is silent, or the host has no such output.
    pub(crate) async fn ask(
        &self,
        region: &RegionName,
        host: &HostName,
        question: LogQuestion,
    ) -> Result<LogPart, LogRefused> {
        let (reply, answer) = oneshot::channel();
        let place = self.put(region, host, question, reply)?;
        match tokio::time::timeout(self.patience, answer).await {
            Ok(Ok(LogAnswer::Part(part))) => Ok(part),
            Ok(Ok(LogAnswer::Refused(reason))) => Err(LogRefused::Host(reason)),
            _ => {
                let taken = self.waiting().questions.get(&place.id).is_some_and(|it| it.taken);
                Err(if taken {
                    LogRefused::SilentHost(host.clone())
                } else {
                    LogRefused::SilentRegion(region.clone())
                })
            }
        }
    }

    fn put(
        &self,
        region: &RegionName,
        host: &HostName,
        question: LogQuestion,
        reply: oneshot::Sender<LogAnswer>,
    ) -> Result<Place<'_>, LogRefused> {
        let mut waiting = self.waiting();
        if waiting.questions.len() >= WAITING_MAX {
            return Err(LogRefused::TooMany);
        }
        waiting.last += 1;
        let id = waiting.last;
        let asked = LogAsked {
            id,
            host: host.clone(),
            question,
        };
        let question = Question {
            region: region.clone(),
            asked,
            taken: false,
            reply,
        };
        waiting.questions.insert(id, question);
        drop(waiting);
        self.news.send_replace(id);
        Ok(Place { logs: self, id })
    }

    /// Takes a region's questions, and waits for some if there are none.
    pub(crate) async fn take(&self, region: &RegionName, wait: Duration) -> LogsAsked {
        let mut news = self.news.subscribe();
        let some = async {
            loop {
                let asked = self.waiting().take(region);
                // An error means that this is being dropped.
                if !asked.is_empty() || news.changed().await.is_err() {
                    return LogsAsked { asked };
                }
            }
        };
        tokio::time::timeout(wait, some).await.unwrap_or_default()
    }

    /// Hands an answer to who asked; whether somebody still waits for it.
    pub(crate) fn answer(&self, region: &RegionName, id: u64, answer: LogAnswer) -> bool {
        let mut waiting = self.waiting();
        let asked = waiting.questions.get(&id).is_some_and(|it| it.region == *region);
        let question = if asked {
            waiting.questions.remove(&id)
        } else {
            None
        };
        question.is_some_and(|question| question.reply.send(answer).is_ok())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self, region: &RegionName) -> Vec<LogAsked> {
        let of_region = self.questions.values_mut();
        let new = of_region.filter(|question| question.region == *region && !question.taken);
        let taken = new.take(LOG_QUESTIONS_MAX).map(|question| {
            question.taken = true;
            question.asked.clone()
        });
        taken.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::task_log::LogStart;

    fn question() -> LogQuestion {
        LogQuestion {
            service: "web".parse().unwrap(),
            release: None,
            start: LogStart::Tail(9),
            wait_ms: 0,
        }
    }

    fn names() -> (RegionName, RegionName, HostName) {
        (
            "east".parse().unwrap(),
            "west".parse().unwrap(),
            "host-1".parse().unwrap(),
        )
    }

    #[tokio::test]
    async fn a_question_is_handed_out_once_and_answered_by_its_own_region_only() {
        let (logs, (east, west, host)) = (TaskLogs::default(), names());
        let asker = tokio::spawn({
            let (logs, east, host) = (logs.clone(), east.clone(), host.clone());
            async move { logs.ask(&east, &host, question()).await }
        });
        let taken = logs.take(&east, Duration::from_secs(60)).await.asked;
        assert_eq!(
            (taken.len(), &taken[0].host, &taken[0].question),
            (1, &host, &question())
        );
        for region in [&east, &west] {
            assert_eq!(logs.take(region, Duration::ZERO).await.asked, []);
        }
        let no = || LogAnswer::Refused("no".to_owned());
        assert!(!logs.answer(&west, taken[0].id, no()));
        assert!(logs.answer(&east, taken[0].id, no()));
        assert!(!logs.answer(&east, taken[0].id, no()), "nobody waits any more");
        assert_eq!(asker.await.unwrap().unwrap_err().to_string(), "no");
    }

    #[tokio::test]
    async fn silence_is_told_from_silence_and_a_question_that_nobody_waits_for_is_forgotten() {
        let (east, _, host) = names();
        let logs = TaskLogs {
            patience: Duration::from_millis(50),
            ..TaskLogs::default()
        };
        let refused = logs.ask(&east, &host, question()).await.unwrap_err();
        assert_eq!(refused.to_string(), "no manager of region east takes questions");
        let (refused, taken) = tokio::join!(
            logs.ask(&east, &host, question()),
            logs.take(&east, Duration::from_secs(60))
        );
        assert_eq!(taken.asked.len(), 1);
        let refused = refused.unwrap_err().to_string();
        assert_eq!(refused, "host host-1 does not answer its region's manager");
        assert_eq!(logs.take(&east, Duration::ZERO).await.asked, []);
    }

    #[tokio::test]
    async fn so_many_questions_wait_and_no_more() {
        let (logs, (east, _, host)) = (TaskLogs::default(), names());
        let put = || logs.put(&east, &host, question(), oneshot::channel().0);
        let places: Vec<_> = (0..WAITING_MAX).map(|_| put().unwrap()).collect();
        assert!(matches!(put(), Err(LogRefused::TooMany)));
        drop(places);
        assert!(put().is_ok());
    }
}
