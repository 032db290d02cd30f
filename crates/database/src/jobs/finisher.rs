//! Ends that come while another is on its way to the disk are written together.
//!
//! A worker's builds, and those of many workers in one process, end when they end; each write alone costs
//! a round trip and a commit. One statement is on its way at a time, and what comes meanwhile is the next.

use super::finish::{Ended, Finish, finish_together};
use crate::Error;
use crate::pool::answered;
use sqlx::PgPool;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Ends that wait to be handed in; who comes after them waits for room.
const WAITING_MAX: usize = 1_024;
/// The most ends of one statement.
const TOGETHER_MAX: usize = 256;

/// An end, and who waits for what became of it.
struct Asked {
    finish: Finish,
    reply: oneshot::Sender<Result<Ended, Error>>,
}

/// Where ends are handed in. The task that writes them stops with the last clone.
#[derive(Debug, Clone)]
pub(super) struct Finisher {
    asked: mpsc::Sender<Asked>,
}

impl Finisher {
    /// Begins the task, on the present runtime. It waits for the database no longer than `limit`.
    pub(super) fn start(pool: PgPool, limit: Duration) -> Self {
        let (asked, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(write_all(pool, limit, waiting));
        Self { asked }
    }

    /// Ends a build; what has ended is the build, or nothing if its lease was lost. Who stops waiting may
    /// not know whether it was written.
    pub(super) async fn finish(&self, finish: Finish) -> Result<Ended, Error> {
        let (reply, answer) = oneshot::channel();
        // The task ends after its senders, and only a runtime that stops ends it before.
        let gone = || Error::Query(sqlx::Error::WorkerCrashed);
        let asked = Asked { finish, reply };
        self.asked.send(asked).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

async fn write_all(pool: PgPool, limit: Duration, mut waiting: mpsc::Receiver<Asked>) {
    let mut batch: Vec<Asked> = Vec::new();
    while waiting.recv_many(&mut batch, TOGETHER_MAX).await > 0 {
        let (finishes, replies): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .map(|Asked { finish, reply }| (finish, reply))
            .unzip();
        match answered(limit, finish_together(&pool, &finishes)).await {
            Ok(ended) => answer(&finishes, replies, ended),
            // One that can't be written must not keep the others from it, and each is told its own error.
            Err(_) => {
                for (finish, reply) in finishes.iter().zip(replies) {
                    let alone = finish_together(&pool, std::slice::from_ref(finish));
                    drop(reply.send(answered(limit, alone).await));
                }
            }
        }
    }
}

/// Tells each what became of its own. Whose room the ends have made is told to one, who passes it on.
fn answer(finishes: &[Finish], replies: Vec<oneshot::Sender<Result<Ended, Error>>>, mut all: Ended) {
    for (finish, reply) in finishes.iter().zip(replies) {
        let own = Ended {
            builds: all
                .builds
                .iter()
                .copied()
                .filter(|build| *build == finish.build)
                .collect(),
            limited: std::mem::take(&mut all.limited),
        };
        // Who stopped waiting finds out by the state of the build.
        drop(reply.send(Ok(own)));
    }
}
