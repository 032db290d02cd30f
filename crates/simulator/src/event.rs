//! What happens, in the order of time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use swarm_core::{Input, Message, Time};

/// Names one fetch, and at its source the ticket.
pub type FetchId = u64;

#[derive(Debug)]
pub enum Event {
    /// Two hosts become neighbours.
    Meet {
        a: u32,
        b: u32,
    },
    /// `host` learns that the connection to `peer` is gone.
    Part {
        host: u32,
        peer: u32,
    },
    /// Something that the host's own driver tells its node.
    Tell {
        host: u32,
        life: u32,
        input: Input,
    },
    /// A message arrives.
    Arrive {
        from: u32,
        to: u32,
        message: Message,
    },
    /// A request arrives at its source.
    Request(FetchId),
    /// The word that a request was given up arrives at its source.
    Cancel(FetchId),
    /// A source's no arrives.
    Refused(FetchId),
    /// The last byte of a piece arrives.
    Delivered(FetchId),
    /// No byte came for too long.
    Silent(FetchId),
    /// The moment that a node asked to be woken at.
    Wake {
        host: u32,
        life: u32,
    },
    Die {
        host: u32,
    },
    Rejoin {
        host: u32,
    },
}

impl Event {
    /// What of this event counts for the trace.
    pub fn words(&self) -> [u64; 3] {
        match self {
            Self::Meet { a, b } => [1, u64::from(*a), u64::from(*b)],
            Self::Part { host, peer } => [2, u64::from(*host), u64::from(*peer)],
            Self::Tell { host, life, .. } => [3, u64::from(*host), u64::from(*life)],
            Self::Arrive { from, to, .. } => [4, u64::from(*from), u64::from(*to)],
            Self::Request(fetch) => [5, *fetch, 0],
            Self::Cancel(fetch) => [6, *fetch, 0],
            Self::Refused(fetch) => [7, *fetch, 0],
            Self::Delivered(fetch) => [8, *fetch, 0],
            Self::Silent(fetch) => [9, *fetch, 0],
            Self::Wake { host, life } => [10, u64::from(*host), u64::from(*life)],
            Self::Die { host } => [11, u64::from(*host), 0],
            Self::Rejoin { host } => [12, u64::from(*host), 0],
        }
    }
}

#[derive(Debug)]
struct Scheduled {
    at: Time,
    /// Events of the same moment happen in the order in which they were scheduled.
    number: u64,
    event: Event,
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number)) // the heap's top is the earliest
    }
}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Scheduled {}

/// Events that are still to happen.
#[derive(Debug, Default)]
pub struct Schedule {
    heap: BinaryHeap<Scheduled>,
    number: u64,
}

impl Schedule {
    pub fn add(&mut self, at: Time, event: Event) {
        self.number += 1;
        self.heap.push(Scheduled {
            at,
            number: self.number,
            event,
        });
    }

    pub fn next(&mut self) -> Option<(Time, Event)> {
        self.heap.pop().map(|scheduled| (scheduled.at, scheduled.event))
    }
}
