//! Which of its limits a build broke.

use super::disk::NESTING_MAX;
use model::ByteSize;
use std::fmt;

/// The limit that a build was killed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// All of its processes together held more than this.
    Memory(ByteSize),
    /// It wanted one process or thread more than this many.
    Processes(u32),
    /// Its folders held more than this.
    Disk(ByteSize),
    /// Its folders lay deeper in each other than anything real does.
    Nesting,
}

impl fmt::Display for Exceeded {
    /// Completes "the command …".
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(limit) => write!(formatter, "used more than {limit} of memory, its limit"),
            Self::Processes(limit) => {
                write!(formatter, "ran more than {limit} processes at once, its limit")
            }
            Self::Disk(limit) => write!(formatter, "used more than {limit} of disk space, its limit"),
            Self::Nesting => write!(
                formatter,
                "made folders more than {NESTING_MAX} deep in each other"
            ),
        }
    }
}
