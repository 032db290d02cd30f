//! Answers the managers of the region about what tasks wrote.

use super::{file, releases};
use crate::reason::{cut, reason};
use model::task_log::{
    LOG_PART_BYTES_MAX, LOG_TAIL_LINES_MAX, LOG_WAIT_MS_MAX, LogAnswer, LogPart, LogQuestion, LogStart,
    ManagerRequest, ManagerResponse,
};
use model::text::whole_characters;
use model::{ReleaseNumber, ServiceName};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use swarm::{IncomingCall, Role};
use tasks::task::{LogBytes, LogFile};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

/// How many questions are answered at once; whoever asks beyond is told to ask again.
const ANSWERS_MAX: usize = 16;
/// How often a log is looked at that somebody waits for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where the processes that run write: a process that runs on for another release writes where it did.
pub(crate) type Running = Arc<Vec<(ServiceName, ReleaseNumber, LogFile)>>;

/// Answers questions about logs.
#[derive(Debug)]
pub(crate) struct Desk {
    /// The agent's folder.
    folder: Arc<Path>,
    running: watch::Receiver<Running>,
    places: Arc<Semaphore>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
enum NotRead {
    #[error("nothing of service {0} was ever started on this host")]
    Nothing(ServiceName),
    #[error("the output of release {release} is not kept on this host; that of {} is", list(.kept))]
    NotKept {
        release: ReleaseNumber,
        kept: Vec<ReleaseNumber>,
    },
    #[error("failed to read the log")]
    Disk(#[from] io::Error),
    #[error("the reading panicked")]
    Panicked(#[from] tokio::task::JoinError),
}

fn list(releases: &[ReleaseNumber]) -> String {
    let words: Vec<String> = releases.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// A log that was found.
struct Found {
    release: ReleaseNumber,
    newest: ReleaseNumber,
    log: LogFile,
}

impl Desk {
    pub(crate) fn new(folder: Arc<Path>, running: watch::Receiver<Running>) -> Arc<Self> {
        Arc::new(Self {
            folder,
            running,
            places: Arc::new(Semaphore::new(ANSWERS_MAX)),
        })
    }

    /// Answers until nobody can ask any more. Only managers are answered.
    pub(crate) async fn run(self: Arc<Self>, mut calls: mpsc::Receiver<IncomingCall>) {
        while let Some(call) = calls.recv().await {
            let manager = call.certificate.statement().role == Role::Manager;
            let request = postcard::from_bytes(&call.request).ok().filter(|_| manager);
            // Dropping a call tells its peer that it failed.
            let (Some(ManagerRequest::Log(question)), Ok(place)) =
                (request, self.places.clone().try_acquire_owned())
            else {
                continue;
            };
            let desk = self.clone();
            // Ends within the longest wait; the semaphore bounds how many there are.
            tokio::spawn(async move {
                let answer = desk.answer(question).await;
                drop(place);
                reply(call, answer);
            });
        }
    }

    async fn answer(&self, mut question: LogQuestion) -> LogAnswer {
        let until = Instant::now() + Duration::from_millis(question.wait_ms.min(LOG_WAIT_MS_MAX).into());
        if let LogStart::Tail(lines) = &mut question.start {
            *lines = (*lines).min(LOG_TAIL_LINES_MAX);
        }
        loop {
            let patient = Instant::now() < until;
            match self.read(&question, patient).await {
                Ok(part) if patient && is_empty(&part, question.start) => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Ok(part) => return LogAnswer::Part(part),
                Err(error) => return LogAnswer::Refused(cut(reason(&error))),
            }
        }
    }

    /// Reads what is there; as long as there is `patience`, only lines that have ended, since programs write in blocks.
    async fn read(&self, question: &LogQuestion, patience: bool) -> Result<LogPart, NotRead> {
        let (folder, running, question) = (
            self.folder.clone(),
            self.running.borrow().clone(),
            question.clone(),
        );
        let read = tokio::task::spawn_blocking(move || {
            let found = find(&folder, &running, &question)?;
            let bytes = found.log.read(question.start, LOG_PART_BYTES_MAX)?;
            let whole = if patience {
                whole_lines(&bytes.bytes)
            } else {
                whole_characters(&bytes.bytes)
            };
            Ok(part(&found, &bytes, whole))
        });
        read.await?
    }
}

/// Whether there is nothing to tell to somebody who has read up to this place and reads the newest release.
fn is_empty(part: &LogPart, start: LogStart) -> bool {
    matches!(start, LogStart::At(_)) && part.text.is_empty() && part.release == part.newest
}

fn find(
    folder: &Path,
    running: &[(ServiceName, ReleaseNumber, LogFile)],
    question: &LogQuestion,
) -> Result<Found, NotRead> {
    let service = &question.service;
    let kept = releases(folder, service)?;
    let runs = |release: ReleaseNumber| {
        let mut logs = running.iter();
        logs.find(|(of, number, _)| of == service && *number == release)
    };
    let its_own = running.iter().filter(|(of, ..)| of == service);
    let newest = kept
        .first()
        .copied()
        .max(its_own.map(|(_, release, _)| *release).max());
    let newest = newest.ok_or_else(|| NotRead::Nothing(service.clone()))?;
    let release = question.release.unwrap_or(newest);
    let log = if kept.contains(&release) {
        LogFile {
            path: file(folder, service, release),
            // Only whoever writes needs to know.
            length_max: u64::MAX,
        }
    } else {
        let (_, _, log) = runs(release).ok_or(NotRead::NotKept { release, kept })?;
        log.clone()
    };
    Ok(Found { release, newest, log })
}

/// The first `whole` of these bytes.
fn part(found: &Found, bytes: &LogBytes, whole: usize) -> LogPart {
    LogPart {
        release: found.release,
        newest: found.newest,
        gone_bytes: bytes.gone_bytes,
        text: String::from_utf8_lossy(&bytes.bytes[..whole]).into_owned(),
        next: bytes.next - (bytes.bytes.len() - whole) as u64,
        end: bytes.end,
    }
}

/// How many bytes there are up to the end of the last line that has one; all, when they are as many as an answer holds.
fn whole_lines(bytes: &[u8]) -> usize {
    match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => end + 1,
        None if bytes.len() < LOG_PART_BYTES_MAX => 0,
        None => whole_characters(bytes),
    }
}

fn reply(call: IncomingCall, answer: LogAnswer) {
    let peer = call.peer();
    let sent = postcard::to_stdvec(&ManagerResponse::Log(answer)).map_err(|error| error.to_string());
    if let Err(error) = sent.and_then(|bytes| call.answer(bytes).map_err(|error| error.to_string())) {
        tracing::warn!(error, peer.id = %peer, "failed to answer a manager");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_line_is_waited_for_unless_it_is_too_long() {
        assert_eq!(whole_lines(b"one\ntw"), 4);
        assert_eq!(whole_lines(b"tw"), 0);
        assert_eq!(whole_lines(&[b'x'; LOG_PART_BYTES_MAX]), LOG_PART_BYTES_MAX);
    }
}
