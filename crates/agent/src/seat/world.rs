//! What a seat is shown of the world, and what it asks for.

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
    /// The service's process.
    pub process: Process,
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

/// A service's process. There is never more than one.
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

/// How a process answers its health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Not at all yet, and why not.
    Silent(Option<String>),
    /// Well, though not yet often enough.
    Answering,
    /// Well.
    Healthy,
    /// It did well once and doesn't any more, and why.
    Failing(String),
}

/// The next step for a service's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start what this order says.
    Start(Box<DesiredService>),
    /// Ask the process to end.
    Stop,
}
