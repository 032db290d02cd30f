//! What a seat is shown of the world, and what it asks for.

use crate::frontend::{Answers, Target};
use model::instance::Transfer;
use model::{DesiredService, ReleaseNumber};

/// How things are, as far as one service is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// How far the desired order's bytes are.
    pub desired: Supply,
    /// How far the bytes of the desired order's fallback are, where it has one that is needed.
    pub fallback: Supply,
    /// How far the active order's bytes are.
    pub active: Supply,
    /// How the bytes of the desired order came.
    pub transfer: Transfer,
    /// The process that serves.
    pub process: Process,
    /// The other process of a cut-over.
    pub beside: Process,
    /// Where requests go.
    pub front: Front,
}

/// How far an order's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Supply {
    /// Nothing was done about them yet.
    Awaited,
    /// They are on their way, or what is on the disk is being verified.
    Moving,
    /// An operator holds them up, and how.
    Held(&'static str),
    /// All are here, verified, and the program is among them.
    Whole,
    /// They can't be had, or can't be run, and why. It is tried again.
    Failed(String),
}

/// One process of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Process {
    /// None.
    Absent,
    /// It runs.
    Up {
        /// Which release.
        release: ReleaseNumber,
        /// Where it was told to listen.
        port: u16,
        /// How it answers.
        health: Health,
    },
    /// It was asked to end and has not yet.
    Stopping {
        /// Which release.
        release: ReleaseNumber,
        /// Where it was told to listen.
        port: u16,
    },
}

impl Process {
    /// Whether it runs and answers well.
    pub fn is_healthy(&self) -> bool {
        matches!(
            self,
            Self::Up {
                health: Health::Healthy { .. },
                ..
            }
        )
    }

    /// How many good answers in a row it gave, in the steps of [`Health::Healthy`].
    pub fn observations(&self) -> u32 {
        match self {
            Self::Up {
                health: Health::Healthy { observations },
                ..
            } => *observations,
            _ => 0,
        }
    }

    /// Why it doesn't answer well any more, if it did once.
    pub fn failing(&self) -> Option<&str> {
        match self {
            Self::Up {
                health: Health::Failing(reason),
                ..
            } => Some(reason),
            _ => None,
        }
    }
}

/// How a process answers its health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Not at all yet, and why not.
    Silent(Option<String>),
    /// Well, though not yet often enough.
    Answering,
    /// Well.
    Healthy {
        /// Good answers in a row, rounded down to 1, 2 or 5 times a power of ten, so that it seldom changes.
        observations: u32,
    },
    /// It did well once and doesn't any more, and why.
    Failing(String),
}

/// What the host's frontend said last about a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Front {
    /// The task that new requests go to, if that is certain.
    pub pointed: Option<Target>,
    /// How many requests the retired process still has, if that is known.
    pub in_flight: Option<u64>,
    /// How the process has answered that gets a share, once it does.
    pub shares: Option<Answers>,
    /// Where requests are held while the only process is exchanged for another one: how many it still has.
    pub held: Option<u64>,
}

/// The next step for a service's processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start what this order says.
    Start(Box<DesiredService>),
    /// Ask the process with this port to end.
    Stop(u16),
}
