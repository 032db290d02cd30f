//! The control sessions that bulk connections may belong to.

use super::token::{self, Key};
use crate::PeerId;
use crate::wire::bulk::Token;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Bulk connections that one peer may have to us. It needs one; a second may come before we notice that
/// the first is dead.
const CONNECTIONS_PER_PEER_MAX: usize = 2;

/// One live session.
#[derive(Debug)]
struct Parent {
    /// What we gave the peer.
    key: Key,
    /// The counter of the newest token that was taken.
    newest: u64,
    room: Arc<Semaphore>,
    /// Ends its bulk connections when it ends.
    end: CancellationToken,
}

/// Every live session, by the peer at its far end. As many as there are control sessions.
#[derive(Debug, Default)]
pub(crate) struct Parents(Mutex<HashMap<PeerId, Parent>>);

/// A bulk connection's tie to its session.
#[derive(Debug)]
pub(super) struct Tie {
    /// Cancelled when the session ends.
    pub(super) end: CancellationToken,
    /// Gives back the connection's place.
    _place: OwnedSemaphorePermit,
}

impl Parents {
    /// Begins a session, in place of the one before it; the key that the peer is to be given.
    pub(crate) fn begin(&self, peer: PeerId) -> Key {
        let key = rand::random();
        let parent = Parent {
            key,
            newest: 0,
            room: Arc::new(Semaphore::new(CONNECTIONS_PER_PEER_MAX)),
            end: CancellationToken::new(),
        };
        if let Some(before) = self.lock().insert(peer, parent) {
            before.end.cancel();
        }
        key
    }

    /// Ends a session and every bulk connection that belongs to it.
    pub(crate) fn end(&self, peer: PeerId) {
        if let Some(parent) = self.lock().remove(&peer) {
            parent.end.cancel();
        }
    }

    /// Takes a token once. None if it is not right, was taken before, or the peer has too many
    /// connections already.
    pub(super) fn admit(&self, peer: PeerId, own: PeerId, token: &Token) -> Option<Tie> {
        let mut parents = self.lock();
        let parent = parents.get_mut(&peer)?;
        if !token::is_right(token, &parent.key, peer, own) || token.counter <= parent.newest {
            return None;
        }
        parent.newest = token.counter;
        let place = Arc::clone(&parent.room).try_acquire_owned().ok()?;
        let end = parent.end.clone();
        Some(Tie { end, _place: place })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PeerId, Parent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[test]
    fn a_token_opens_one_connection_of_a_live_session() {
        let (peer, own) = (Identity::generate().peer(), Identity::generate().peer());
        let parents = Parents::default();
        let key = parents.begin(peer);
        let token = |counter| token::make(&key, peer, own, counter);
        assert!(
            parents.admit(own, own, &token(1)).is_none(),
            "no session with itself"
        );
        let first = parents.admit(peer, own, &token(2)).expect("the first is let in");
        assert!(
            parents.admit(peer, own, &token(2)).is_none(),
            "the same once more"
        );
        assert!(parents.admit(peer, own, &token(1)).is_none(), "an older one");
        let second = parents.admit(peer, own, &token(3)).expect("the second is let in");
        assert!(parents.admit(peer, own, &token(4)).is_none(), "one too many");
        drop(second);
        assert!(
            parents.admit(peer, own, &token(5)).is_some(),
            "there is room again"
        );

        assert!(!first.end.is_cancelled());
        parents.begin(peer);
        assert!(first.end.is_cancelled(), "its session is over");
        assert!(parents.admit(peer, own, &token(6)).is_none(), "another key");
        parents.end(peer);
        assert!(parents.admit(peer, own, &token(7)).is_none(), "no session");
    }
}
