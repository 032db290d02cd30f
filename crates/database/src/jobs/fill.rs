//! How full the queue is, counted at most once a second: an enqueue must not count ten thousand rows.

use super::{Jobs, QUEUED_BUILDS_MAX};
use crate::Error;
use std::time::{Duration, Instant};

/// How long a count is believed. Meanwhile each process adds its own, so that all of them together step
/// over the limit by what they enqueue in this time at most.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// What one process knows of the queue's length.
#[derive(Debug, Default)]
pub(super) struct Fill {
    counted_at: Option<Instant>,
    queued: u32,
}

impl Fill {
    /// Adds `more` builds to a count that is still believed; whether there is room for them. `None` when
    /// it is time to count.
    fn add(&mut self, more: u32, now: Instant) -> Option<bool> {
        let believed = self
            .counted_at
            .is_some_and(|counted| now.duration_since(counted) < BELIEVED_FOR);
        believed.then(|| {
            let fits = self.queued.saturating_add(more) <= QUEUED_BUILDS_MAX;
            self.queued += if fits { more } else { 0 };
            fits
        })
    }

    fn counted(&mut self, queued: u32, now: Instant) {
        *self = Self {
            counted_at: Some(now),
            queued,
        };
    }
}

impl Jobs {
    /// Fails with [`Error::QueueFull`] where `more` builds have no room.
    pub(super) async fn refuse_when_full(&self, more: u32) -> Result<(), Error> {
        loop {
            match self.shared.fill().add(more, Instant::now()) {
                Some(true) => return Ok(()),
                Some(false) => return Err(Error::QueueFull(QUEUED_BUILDS_MAX)),
                None => {}
            }
            let queued: i64 = sqlx::query_scalar("SELECT count(*) FROM queue")
                .fetch_one(&self.pool)
                .await?;
            let queued = u32::try_from(queued).unwrap_or(u32::MAX);
            self.shared.fill().counted(queued, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_believed_for_a_second_and_grows_by_what_is_enqueued_meanwhile() {
        let start = Instant::now();
        let mut fill = Fill::default();
        assert_eq!(fill.add(1, start), None, "nobody has counted");
        fill.counted(QUEUED_BUILDS_MAX - 2, start);
        assert_eq!(fill.add(2, start), Some(true));
        assert_eq!(fill.add(1, start), Some(false));
        assert_eq!(fill.add(1, start + BELIEVED_FOR), None);
    }
}
