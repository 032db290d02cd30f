//! Who asked for something.

use crate::macros::checked_string;
use serde::{Deserialize, Serialize};

/// The longest actor, in bytes; long enough for any mail address (RFC 5321, section 4.5.3.1).
const ACTOR_LENGTH_MAX: usize = 254;

/// A person or program that asked for a change; stored with everything it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Actor(String);

/// Why a text names no actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an actor is 1 to 254 printable characters without spaces, such as a mail address")]
pub struct InvalidActor;

impl Actor {
    /// The rollout's driver, where it acts by itself.
    pub fn rollout() -> Self {
        Self("starling-rollout".to_owned())
    }

    /// The collector, where it acts by itself.
    pub fn collector() -> Self {
        Self("starling-collector".to_owned())
    }

    fn check(text: &str) -> Result<(), InvalidActor> {
        let fits = (1..=ACTOR_LENGTH_MAX).contains(&text.len());
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits && plain { Ok(()) } else { Err(InvalidActor) }
    }
}

checked_string!(Actor, InvalidActor);
