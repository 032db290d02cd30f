//! How fast pieces may come and go: one pacer for each direction, shared by every connection of a node.
//!
//! A pacer is a queue at a door of so many bytes a second. Whoever wants to pass is told when: those before
//! it, at that rate, first (the virtual scheduling form of the leaky bucket, ITU-T I.371). So streams share a limit
//! in the order in which they ask, which with chunks of like size is fairly, and nothing is counted
//! while nobody asks.

use model::control::Limits;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What may pass at once after a silence, as time at the limited rate: enough for the timers of a busy machine,
/// little enough that no second sees more than its limit and a twentieth.
const BURST: Duration = Duration::from_millis(50);

/// Both directions of a node. Cheap to clone; clones share the limits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pacers {
    pub(crate) up: Pacer,
    pub(crate) down: Pacer,
}

impl Pacers {
    /// Counts for what passes from now on, and for what waits to.
    pub(crate) fn limit(&self, limits: &Limits) {
        self.up.limit(limits.upload_bytes_per_s);
        self.down.limit(limits.download_bytes_per_s);
    }
}

/// One direction.
#[derive(Debug, Clone)]
pub(crate) struct Pacer(Arc<Door>);

#[derive(Debug)]
struct Door {
    /// In bytes a second; absent while nothing is limited.
    limit: watch::Sender<Option<u64>>,
    queue: Mutex<Queue>,
}

impl Default for Pacer {
    fn default() -> Self {
        Self(Arc::new(Door {
            limit: watch::Sender::new(None),
            queue: Mutex::new(Queue::default()),
        }))
    }
}

impl Pacer {
    fn limit(&self, limit: Option<u64>) {
        self.0.limit.send_if_modified(|known| {
            let news = *known != limit;
            if news {
                // Whoever waits asks again, at the new rate.
                *self.queue() = Queue::default();
                *known = limit;
            }
            news
        });
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        // A queue is a moment, which is whole whoever panicked.
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many bytes may pass.
    pub(crate) async fn pass(&self, bytes: usize) {
        let mut changes = self.0.limit.subscribe();
        loop {
            let Some(limit) = *changes.borrow_and_update() else {
                return;
            };
            let go_at = self.queue().enter(Instant::now(), bytes, limit);
            tokio::select! {
                () = sleep_until(go_at) => return,
                Ok(()) = changes.changed() => {}
            }
        }
    }
}

/// Who waits at a door: only when the last of them is through matters.
#[derive(Debug, Default)]
struct Queue {
    clear_at: Option<Instant>,
}

impl Queue {
    /// When bytes that come now may pass.
    fn enter(&mut self, now: Instant, bytes: usize, limit: u64) -> Instant {
        let go_at = self.clear_at.map_or(now, |at| at.max(now));
        let takes = Duration::from_secs_f64(bytes as f64 / limit.max(1) as f64);
        self.clear_at = Some(go_at + takes);
        go_at.checked_sub(BURST).map_or(now, |at| at.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    #[test]
    fn what_passes_in_any_time_is_the_limit_and_a_burst() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        let mut passed = Vec::new();
        // Asked for all at once, and then again after a silence.
        for _ in 0..100 {
            passed.push(queue.enter(start, 1024, 100 * KIB));
        }
        let late = start + Duration::from_secs(60);
        assert_eq!(
            queue.enter(late, 1024, 100 * KIB),
            late,
            "a silence is not saved up"
        );
        let second = start + Duration::from_secs(1);
        let within = passed.iter().filter(|at| **at < second).count();
        assert!(
            (95..=106).contains(&within),
            "{within} KiB in a second of 100 KiB/s"
        );
        assert!(passed.is_sorted());
    }

    #[tokio::test]
    async fn a_limit_that_is_lifted_lets_those_pass_who_wait() {
        let pacer = Pacer::default();
        pacer.limit(Some(1));
        pacer.pass(1_000_000).await;
        // Its turn is in eleven days.
        let mut waiting = std::pin::pin!(pacer.pass(1));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        pacer.limit(None);
        tokio::time::timeout(Duration::from_secs(60), waiting)
            .await
            .unwrap();
    }
}
