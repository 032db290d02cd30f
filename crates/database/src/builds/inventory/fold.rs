//! Which heartbeats need not be written: those that say again what was just written. Pure: the time is an argument.

use super::heartbeats::{Beat, Heard};
use model::{InstanceHealth, InstanceId, ReportedVersion};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What says nothing new is written this often, so that the row's time is never older than this and one heartbeat.
pub(super) const FRESH_EVERY: Duration = Duration::from_secs(20);
/// The most instances that are remembered. Of any more each heartbeat is written.
const REMEMBERED_MAX: usize = 200_000;

/// What was written last of each instance, and what was heard since.
#[derive(Debug, Default)]
pub(super) struct Fold {
    last: HashMap<InstanceId, Last>,
}

#[derive(Debug)]
struct Last {
    registration: i32,
    /// The newest heartbeat that was heard here.
    sequence: u64,
    status: Option<InstanceHealth>,
    code_version: Option<ReportedVersion>,
    configuration_version: Option<ReportedVersion>,
    written_at: Instant,
}

impl Last {
    /// A gap means that another process heard what came between, and wrote what we don't know of.
    fn is_followed_by(&self, beat: &Beat) -> bool {
        self.registration == beat.registration && beat.sequence == Some(self.sequence + 1)
    }

    fn says_the_same(&self, beat: &Beat) -> bool {
        (self.status, &self.code_version, &self.configuration_version)
            == (beat.status, &beat.code_version, &beat.configuration_version)
    }
}

impl Fold {
    /// The answer to a heartbeat that need not be written, if it is one.
    pub(super) fn take(&mut self, beat: &Beat, now: Instant) -> Option<Heard> {
        let last = self.last.get_mut(&beat.instance)?;
        let fresh = now.saturating_duration_since(last.written_at) < FRESH_EVERY;
        if !fresh || !last.is_followed_by(beat) || !last.says_the_same(beat) {
            return None;
        }
        last.sequence += 1;
        Some(Heard::Newest(last.sequence))
    }

    /// Remembers what became of a heartbeat that was written.
    pub(super) fn wrote(&mut self, beat: &Beat, heard: Heard, now: Instant) {
        let Heard::Newest(sequence) = heard else {
            self.last.remove(&beat.instance);
            return;
        };
        if self.last.len() >= REMEMBERED_MAX && !self.last.contains_key(&beat.instance) {
            return;
        }
        let last = Last {
            registration: beat.registration,
            sequence,
            status: beat.status,
            code_version: beat.code_version.clone(),
            configuration_version: beat.configuration_version.clone(),
            written_at: now,
        };
        self.last.insert(beat.instance, last);
    }

    /// Forgets an instance, whose next heartbeat is written.
    pub(super) fn forget(&mut self, instance: InstanceId) {
        self.last.remove(&instance);
    }

    /// Forgets those that were silent for long.
    pub(super) fn sweep(&mut self, now: Instant) {
        let silent = |last: &Last| now.saturating_duration_since(last.written_at) >= 3 * FRESH_EVERY;
        self.last.retain(|_, last| !silent(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn beat(sequence: Option<u64>, status: InstanceHealth) -> Beat {
        Beat {
            instance: InstanceId(uuid::Uuid::from_u128(1)),
            registration: 1,
            sequence,
            status: Some(status),
            code_version: None,
            configuration_version: None,
        }
    }

    #[test]
    fn only_the_next_one_that_says_the_same_soon_after_is_left_out() {
        let (mut fold, start) = (Fold::default(), Instant::now());
        let healthy = |sequence| beat(Some(sequence), InstanceHealth::Healthy);
        assert_eq!(fold.take(&healthy(1), start), None, "nothing is known yet");
        fold.wrote(&healthy(1), Heard::Newest(1), start);
        assert_eq!(fold.take(&healthy(2), start), Some(Heard::Newest(2)));
        assert_eq!(fold.take(&healthy(2), start), None, "a repetition");
        assert_eq!(fold.take(&healthy(4), start), None, "a gap");
        assert_eq!(fold.take(&beat(None, InstanceHealth::Healthy), start), None);
        let news = beat(Some(3), InstanceHealth::Failed);
        assert_eq!(fold.take(&news, start), None, "news");
        let other = Beat {
            registration: 2,
            ..healthy(3)
        };
        assert_eq!(fold.take(&other, start), None, "another secret");
        assert_eq!(fold.take(&healthy(3), start + FRESH_EVERY), None, "long ago");
        assert_eq!(fold.take(&healthy(3), start), Some(Heard::Newest(3)));
        fold.forget(healthy(1).instance);
        assert_eq!(fold.take(&healthy(4), start), None);
    }

    #[test]
    fn what_was_not_written_is_not_remembered() {
        let (mut fold, start) = (Fold::default(), Instant::now());
        let first = beat(Some(1), InstanceHealth::Healthy);
        for heard in [Heard::Retired, Heard::Replaced, Heard::Late(7), Heard::Again(1)] {
            fold.wrote(&first, Heard::Newest(1), start);
            fold.wrote(&first, heard, start);
            let next = beat(Some(2), InstanceHealth::Healthy);
            assert_eq!(fold.take(&next, start), None, "{heard:?}");
        }
    }

    proptest! {
        /// Whatever comes in whatever order: the row says what the newest heartbeat said, as if each had been
        /// written, and its time is never older than [`FRESH_EVERY`].
        #[test]
        fn leaving_out_loses_nothing(
            beats in prop::collection::vec((1_u64..40, 0_u64..15), 1..60),
        ) {
            let (mut fold, mut now) = (Fold::default(), Instant::now());
            let mut row = (0, InstanceHealth::Unknown, now);
            let mut newest = (0, InstanceHealth::Unknown);
            for (sequence, pause) in beats {
                now += Duration::from_secs(pause);
                // What a number says never changes: the same heartbeat comes again, and not another.
                let fails = sequence.is_multiple_of(5);
                let status = if fails { InstanceHealth::Failed } else { InstanceHealth::Healthy };
                let beat = beat(Some(sequence), status);
                if sequence > newest.0 {
                    newest = (sequence, status);
                }
                if fold.take(&beat, now).is_none() {
                    let heard = if sequence > row.0 {
                        row = (sequence, status, now);
                        Heard::Newest(sequence)
                    } else if sequence == row.0 {
                        Heard::Again(sequence)
                    } else {
                        Heard::Late(row.0)
                    };
                    fold.wrote(&beat, heard, now);
                } else {
                    prop_assert!(now.duration_since(row.2) < FRESH_EVERY);
                }
                prop_assert_eq!(row.1, newest.1);
            }
        }
    }
}
