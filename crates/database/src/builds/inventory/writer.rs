//! Heartbeats that come while others are on their way to the disk are written together, and those that say nothing
//! new are not written.

use super::super::Builds;
use super::fold::{FRESH_EVERY, Fold};
use super::heartbeats::{Beat, Heard, write_together};
use crate::Error;
use model::InstanceId;
use sqlx::PgPool;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Heartbeats that wait to be handed in; who comes after them waits for room.
const WAITING_MAX: usize = 4_096;
/// The most heartbeats of one statement.
const TOGETHER_MAX: usize = 1_024;

enum Asked {
    /// A heartbeat, and who waits for what became of it.
    Beat(Beat, oneshot::Sender<Result<Heard, Error>>),
    /// The instance is not what it was.
    Forget(InstanceId),
}

/// Where heartbeats are handed in. The task that writes them stops with the last clone.
#[derive(Debug, Clone)]
pub struct Heartbeats {
    asked: mpsc::Sender<Asked>,
}

impl Builds {
    /// Writes heartbeats, of instances that all differ, at once and whatever they say; what became of each, in their
    /// order.
    pub async fn write_heartbeats(&self, beats: &[Beat]) -> Result<Vec<Heard>, Error> {
        let beats: Vec<&Beat> = beats.iter().collect();
        write_together(&self.pool, &beats).await
    }
}

impl Heartbeats {
    /// Begins the task, on the present runtime.
    pub fn start(builds: &Builds) -> Self {
        let (asked, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(hear_all(builds.pool.clone(), waiting));
        Self { asked }
    }

    /// Hears a program. Of one that has retired less than [20 seconds](FRESH_EVERY) ago, through another process, a
    /// heartbeat that says nothing new may be answered as if it had not.
    ///
    /// Fails with [`Error::NotWritten`].
    pub async fn hear(&self, beat: Beat) -> Result<Heard, Error> {
        let (reply, answer) = oneshot::channel();
        let asked = Asked::Beat(beat, reply);
        self.asked.send(asked).await.map_err(|_| Error::NotWritten)?;
        answer.await.map_err(|_| Error::NotWritten)?
    }

    /// Takes the next heartbeat of an instance to the database, since it was changed there.
    pub async fn forget(&self, instance: InstanceId) {
        // Without the task there is nothing that could be remembered.
        drop(self.asked.send(Asked::Forget(instance)).await);
    }
}

/// A heartbeat that has to be written.
type Pending = (Beat, oneshot::Sender<Result<Heard, Error>>);

async fn hear_all(pool: PgPool, mut waiting: mpsc::Receiver<Asked>) {
    let (mut fold, mut swept_at) = (Fold::default(), Instant::now());
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, TOGETHER_MAX).await > 0 {
        let now = Instant::now();
        if now.duration_since(swept_at) >= FRESH_EVERY {
            fold.sweep(now);
            swept_at = now;
        }
        let mut pending = Vec::new();
        for asked in batch.drain(..) {
            match asked {
                Asked::Forget(instance) => fold.forget(instance),
                Asked::Beat(beat, reply) => match fold.take(&beat, now) {
                    // Who stopped waiting sends another soon.
                    Some(heard) => drop(reply.send(Ok(heard))),
                    None => pending.push((beat, reply)),
                },
            }
        }
        while !pending.is_empty() {
            let round = take_round(&mut pending);
            write(&pool, round, &mut fold).await;
        }
    }
}

/// The first heartbeat of each instance; the others stay, in their order.
fn take_round(pending: &mut Vec<Pending>) -> Vec<Pending> {
    let mut round: HashMap<InstanceId, Pending> = HashMap::with_capacity(pending.len());
    let mut later = Vec::new();
    for (beat, reply) in pending.drain(..) {
        match round.entry(beat.instance) {
            Entry::Occupied(_) => later.push((beat, reply)),
            Entry::Vacant(place) => {
                place.insert((beat, reply));
            }
        }
    }
    *pending = later;
    let mut round: Vec<Pending> = round.into_values().collect();
    // Two processes that write the same rows lock them in one order.
    round.sort_unstable_by_key(|(beat, _)| beat.instance);
    round
}

async fn write(pool: &PgPool, round: Vec<Pending>, fold: &mut Fold) {
    let beats: Vec<&Beat> = round.iter().map(|(beat, _)| beat).collect();
    match write_together(pool, &beats).await {
        Ok(all) => {
            let now = Instant::now();
            for ((beat, reply), heard) in round.into_iter().zip(all) {
                fold.wrote(&beat, heard, now);
                drop(reply.send(Ok(heard)));
            }
        }
        Err(error) => {
            let (count, error) = (round.len(), &error as &dyn std::error::Error);
            tracing::warn!(heartbeats.count = count, error, "failed to write heartbeats");
            for (_, reply) in round {
                drop(reply.send(Err(Error::NotWritten)));
            }
        }
    }
}
