//! Whom to stay connected to, and when to try again.

use crate::PeerId;
use libp2p::Multiaddr;
use rand::RngExt;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// The pause after the first failed attempt; it doubles with every further one.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Wanted {
    addresses: Vec<Multiaddr>,
    /// Attempts since the last certified connection.
    attempts: u32,
    next: Instant,
}

/// The neighbours that a manager named.
#[derive(Debug, Default)]
pub(crate) struct Dialer {
    wanted: HashMap<PeerId, Wanted>,
}

impl Dialer {
    /// Names other neighbours. One that was named before keeps its pause, unless its addresses are
    /// new.
    pub(crate) fn set(&mut self, now: Instant, neighbours: Vec<(PeerId, Vec<Multiaddr>)>) {
        let mut before = std::mem::take(&mut self.wanted);
        for (peer, addresses) in neighbours {
            let wanted = match before.remove(&peer) {
                Some(known) if known.addresses == addresses => known,
                _ => Wanted {
                    addresses,
                    attempts: 0,
                    next: now,
                },
            };
            self.wanted.insert(peer, wanted);
        }
    }

    pub(crate) fn wants(&self, peer: PeerId) -> bool {
        self.wanted.contains_key(&peer)
    }

    /// The neighbours to dial now, of those that are not connected. Each counts as tried.
    pub(crate) fn due(
        &mut self,
        now: Instant,
        connected: impl Fn(PeerId) -> bool,
    ) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let mut due = Vec::new();
        for (&peer, wanted) in &mut self.wanted {
            if wanted.next <= now && !connected(peer) {
                wanted.next = now + pause(wanted.attempts);
                wanted.attempts = wanted.attempts.saturating_add(1);
                due.push((peer, wanted.addresses.clone()));
            }
        }
        due
    }

    /// A certified connection stands: the next attempt, when there has to be one, is the first again.
    pub(crate) fn connected(&mut self, peer: PeerId) {
        if let Some(wanted) = self.wanted.get_mut(&peer) {
            wanted.attempts = 0;
        }
    }

    /// A connection was lost: it is tried again after a pause, so that a peer that closes at once is
    /// not dialled in a circle.
    pub(crate) fn lost(&mut self, now: Instant, peer: PeerId) {
        if let Some(wanted) = self.wanted.get_mut(&peer) {
            wanted.next = now + pause(wanted.attempts);
        }
    }
}

/// Doubling, with a jitter that keeps a region's hosts from dialling a manager in step.
fn pause(attempts: u32) -> Duration {
    let longest = PAUSE_MIN.saturating_mul(1 << attempts.min(10)).min(PAUSE_MAX);
    longest.mul_f64(rand::rng().random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[test]
    fn pauses_grow_to_a_limit_and_never_end() {
        let (now, peer) = (Instant::now(), Identity::generate().peer());
        let mut dialer = Dialer::default();
        dialer.set(now, vec![(peer, Vec::new())]);
        let mut at = now;
        for _ in 0..50 {
            assert_eq!(dialer.due(at, |_| false).len(), 1);
            assert!(dialer.due(at, |_| false).is_empty(), "dialled twice at once");
            at += PAUSE_MAX;
        }
    }

    #[test]
    fn a_connected_neighbour_is_not_dialled_and_a_new_address_is_tried_at_once() {
        let (now, peer) = (Instant::now(), Identity::generate().peer());
        let mut dialer = Dialer::default();
        dialer.set(now, vec![(peer, Vec::new())]);
        assert!(dialer.due(now, |_| true).is_empty());
        assert_eq!(dialer.due(now, |_| false).len(), 1);
        let address: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        dialer.set(now, vec![(peer, vec![address.clone()])]);
        assert_eq!(dialer.due(now, |_| false), [(peer, vec![address])]);
        dialer.set(now, Vec::new());
        assert!(!dialer.wants(peer));
        assert!(dialer.due(now + PAUSE_MAX, |_| false).is_empty());
    }
}
