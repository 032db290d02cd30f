//! How many requests should be in flight: as many as pace and distance explain, and no constant.
//!
//! A source that is far away for its speed idles for most of a round trip if it has one request at a time. What
//! fills the way to it is bandwidth times delay, and both are measured as in Cardwell, Cheng, Gunn, Yeganeh &
//! Jacobson, "BBR: congestion-based congestion control" (2016): the bandwidth by what came while a request was in
//! flight, the delay by the *shortest* time that a request ever took, which has no queue in it. So a queue never asks
//! for more of itself.

use std::time::Duration;

/// So many times what pace and distance explain is asked for: as much again keeps the source busy until the next
/// decision, and shows a pace that our own asking held down as a faster one the next time. The gain of BBR's window.
const GAIN: f32 = 2.0;

/// And as much as comes in this time, in which a busy host gets round to writing a piece down and asking for the next.
const AHEAD: Duration = Duration::from_millis(10);

/// The pieces that a host is given, by all neighbours and in all transfers, which share its line.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Pieces that came.
    pub came: u32,
    /// The shortest time from a request to its piece on disk, in microseconds.
    shortest_us: u32,
    /// Half of it is what the latest request told.
    window: f32,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            came: 0,
            shortest_us: u32::MAX,
            window: 1.0,
        }
    }
}

impl Flow {
    /// How many requests should be in flight: at least one.
    pub fn window(&self) -> usize {
        (self.window.round() as usize).max(1)
    }

    /// A piece came in the time `took`, when `came_before` pieces had come as it was asked for.
    pub fn learn(&mut self, took: Duration, came_before: u32) {
        self.came = self.came.wrapping_add(1);
        let took_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
        self.shortest_us = self.shortest_us.min(took_us);
        let came_meanwhile = self.came.wrapping_sub(came_before) as f32;
        let pieces_per_us = came_meanwhile / took_us as f32;
        let explained = GAIN * self.shortest_us as f32 + AHEAD.as_micros() as f32;
        self.window = (self.window + pieces_per_us * explained) / 2.0;
    }
}

#[cfg(test)]
mod tests {
    use super::Flow;
    use proptest::prelude::*;
    use std::time::Duration;

    /// The window that a source arrives at which sends a piece in `send_us`, one after the other, to somebody a round trip
    /// of `away_us` off.
    fn settled(send_us: u64, away_us: u64) -> usize {
        let mut flow = Flow::default();
        let (mut now, mut free_at) = (0, 0);
        let mut in_flight = std::collections::VecDeque::new();
        for _ in 0..4000 {
            while in_flight.len() < flow.window() {
                free_at = free_at.max(now + away_us / 2) + send_us;
                in_flight.push_back((now, flow.came, free_at + away_us / 2));
            }
            if let Some((asked_at, came_before, at)) = in_flight.pop_front() {
                now = at;
                flow.learn(Duration::from_micros(now - asked_at), came_before);
            }
        }
        flow.window()
    }

    proptest! {
        #[test]
        fn the_window_follows_bandwidth_times_round_trip(send_us in 100..100_000u64, away_us in 0..300_000u64) {
            let on_their_way = 1.0 + away_us as f64 / send_us as f64;
            let window = settled(send_us, away_us) as f64;
            prop_assert!(window >= on_their_way.floor(), "{window} for {on_their_way}");
            prop_assert!(window <= 2.0 * on_their_way + 10_000.0 / send_us as f64 + 1.0, "{window} for {on_their_way}");
        }
    }

    #[test]
    fn a_source_that_others_share_gets_one_request_at_a_time() {
        let mut flow = Flow::default();
        flow.learn(Duration::from_millis(70), 0);
        for came in 1..20 {
            // Seven others are served before us each time.
            flow.learn(Duration::from_millis(560), came);
        }
        assert_eq!(flow.window(), 1);
    }
}
