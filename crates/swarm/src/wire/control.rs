//! `/starling/control/2`: who takes part in which artifact, what the rules of the swarm say to each
//! other, and hints.
//!
//! Messages of one peer must arrive in order, so they all travel on one stream. A frame carries everything
//! that came up while the one before was being sent.

use model::ArtifactId;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The longest frame, in bytes. The longest message is a set of
/// [`PIECES_MAX`](swarm_core::PIECES_MAX) bits: 64 KiB.
pub(crate) const CONTROL_LENGTH_MAX: usize = 128 << 10;
/// Bytes that may wait for one peer. One that lets more pile up is disconnected, and told everything
/// anew when it comes back.
const WAITING_LENGTH_MAX: usize = 1 << 20;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Control {
    /// The sender takes part in this artifact from now on.
    Join(ArtifactId),
    /// The sender takes no part any more.
    Leave(ArtifactId),
    /// A message of the rules.
    About(ArtifactId, swarm_core::Message),
    /// There is news: ask again.
    Hint,
}

/// Bytes that are no control messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed control message")]
pub(crate) struct Malformed;

/// Reads a frame: messages one behind the other.
pub(crate) fn decode(mut bytes: &[u8]) -> Result<Vec<Control>, Malformed> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let (message, rest) = postcard::take_from_bytes(bytes).map_err(|_| Malformed)?;
        messages.push(message);
        bytes = rest;
    }
    Ok(messages)
}

/// A peer that did not take what was sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {WAITING_LENGTH_MAX} bytes wait for the peer")]
pub(crate) struct Overflow;

/// What waits to be sent to one peer.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Vec<u8>>,
    length: usize,
}

impl Outbox {
    pub(crate) fn push(&mut self, message: &Control) -> Result<(), Overflow> {
        let bytes = postcard::to_stdvec(message).map_err(|_| Overflow)?;
        // A message that fits no frame could never be sent.
        if bytes.len() > CONTROL_LENGTH_MAX || self.length + bytes.len() > WAITING_LENGTH_MAX {
            return Err(Overflow);
        }
        self.length += bytes.len();
        self.waiting.push_back(bytes);
        Ok(())
    }

    /// The next frame: as many messages as fit, in order. None if nothing waits.
    pub(crate) fn next_frame(&mut self) -> Option<Vec<u8>> {
        let mut frame = self.waiting.pop_front()?;
        while let Some(next) = self.waiting.front() {
            if frame.len() + next.len() > CONTROL_LENGTH_MAX {
                break;
            }
            frame.extend(next);
            self.waiting.pop_front();
        }
        self.length -= frame.len();
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use swarm_core::{GAINED_MAX, Message, PIECES_MAX, PieceSet};

    const ARTIFACT: ArtifactId = ArtifactId([7; 32]);

    #[test]
    fn the_longest_messages_of_the_rules_fit_a_frame() {
        let mut outbox = Outbox::default();
        let longest = [
            Message::Have {
                pieces: PieceSet::full(PIECES_MAX),
            },
            Message::Gained {
                pieces: vec![PIECES_MAX; GAINED_MAX],
                held: PIECES_MAX,
                waiting: u8::MAX,
            },
        ];
        for message in longest {
            outbox.push(&Control::About(ARTIFACT, message)).unwrap();
        }
    }

    #[test]
    fn messages_arrive_in_order_and_every_frame_is_short() {
        let mut outbox = Outbox::default();
        let sent: Vec<_> = (0..20_u32)
            .map(|n| {
                Control::About(
                    ARTIFACT,
                    Message::Gained {
                        pieces: vec![n; GAINED_MAX],
                        held: n,
                        waiting: u8::MAX,
                    },
                )
            })
            .collect();
        for message in &sent {
            outbox.push(message).unwrap();
        }
        let mut received = Vec::new();
        while let Some(frame) = outbox.next_frame() {
            assert!(frame.len() <= CONTROL_LENGTH_MAX);
            received.extend(decode(&frame).unwrap());
        }
        assert_eq!(received, sent);
    }

    #[test]
    fn a_peer_that_takes_nothing_overflows() {
        let mut outbox = Outbox::default();
        let message = Control::About(
            ARTIFACT,
            Message::Have {
                pieces: PieceSet::full(PIECES_MAX),
            },
        );
        let pushed = (0..100).take_while(|_| outbox.push(&message).is_ok()).count();
        assert_eq!(
            pushed,
            WAITING_LENGTH_MAX / postcard::to_stdvec(&message).unwrap().len()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_messages_or_malformed(bytes: Vec<u8>) {
            // No panic, and no more messages than bytes.
            if let Ok(messages) = decode(&bytes) {
                prop_assert!(messages.len() <= bytes.len());
            }
        }
    }
}
