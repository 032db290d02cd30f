//! How many handshakes may be unfinished at a time.
//!
//! When there are too many, the oldest makes room for the newest. An honest handshake ends within
//! milliseconds, so it is old only when it is stuck; refusing the newest instead would let a handful of
//! strangers who say nothing keep everybody out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Counts the handshakes of one port. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Mutex<Unfinished>>);

#[derive(Debug)]
struct Unfinished {
    max: usize,
    begun: u64,
    /// In the order in which they began.
    handshakes: VecDeque<(u64, CancellationToken)>,
}

/// A handshake's place. Dropped when the handshake has ended, well or not.
#[derive(Debug)]
pub(crate) struct Place {
    gate: Gate,
    number: u64,
    /// Cancelled when the place is given to another.
    pub(crate) lost: CancellationToken,
}

impl Gate {
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Mutex::new(Unfinished {
            max,
            begun: 0,
            handshakes: VecDeque::new(),
        })))
    }

    /// Begins a handshake, in place of the oldest if need be.
    pub(crate) fn enter(&self) -> Place {
        let lost = CancellationToken::new();
        let mut unfinished = self.lock();
        unfinished.begun += 1;
        let number = unfinished.begun;
        unfinished.handshakes.push_back((number, lost.clone()));
        if unfinished.handshakes.len() > unfinished.max
            && let Some((_, oldest)) = unfinished.handshakes.pop_front()
        {
            oldest.cancel();
        }
        Place {
            gate: self.clone(),
            number,
            lost,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Unfinished> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate
            .lock()
            .handshakes
            .retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_the_newest_is_never_refused() {
        let gate = Gate::new(2);
        let (first, second) = (gate.enter(), gate.enter());
        drop(gate.enter());
        assert!(first.lost.is_cancelled());
        assert!(!second.lost.is_cancelled());
        // The third has ended, so there is room.
        let fourth = gate.enter();
        assert!(!second.lost.is_cancelled() && !fourth.lost.is_cancelled());
        assert_eq!(gate.lock().handshakes.len(), 2);
    }
}
