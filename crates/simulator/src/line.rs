//! One direction of a link.
//!
//! A piece that is given up after its source said yes still takes its whole time on both links, as if
//! every byte had been on its way: the model is harsher on second requests than a network.

use swarm_core::Time;

/// Sends one piece after the other, each at the full rate. Pieces that share a link finish as early
/// on average as they would side by side, and the last at the same time.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    bytes_per_s: u64,
    free_at: Time,
}

impl Line {
    pub fn new(bytes_per_s: u64) -> Self {
        Self {
            bytes_per_s,
            free_at: Time(0),
        }
    }

    /// How long `bytes` take, in microseconds.
    fn takes_us(&self, bytes: u64) -> u64 {
        match bytes.checked_mul(1_000_000) {
            Some(scaled) => scaled / self.bytes_per_s,
            // More than 18 TB, which no piece has: the part below a second doesn't matter.
            None => (bytes / self.bytes_per_s).saturating_mul(1_000_000),
        }
    }
}

/// When the last byte of a piece arrives that `up` begins to send when it is free, from `now` on. It
/// flows through: `down` takes it in while `up` sends, and is free for another when it is through.
pub fn send(up: &mut Line, down: &mut Line, bytes: u64, latency_us: u64, now: Time) -> Time {
    let begins = up.free_at.max(now);
    up.free_at = Time(begins.0.saturating_add(up.takes_us(bytes)));
    let arrives_first = Time(begins.0.saturating_add(latency_us));
    let through = Time(
        down.free_at
            .max(arrives_first)
            .0
            .saturating_add(down.takes_us(bytes)),
    );
    down.free_at = through.max(Time(up.free_at.0.saturating_add(latency_us)));
    down.free_at
}
