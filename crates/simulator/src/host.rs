//! One simulated host: its node, its disk, its links.

use crate::Link;
use crate::event::FetchId;
use crate::line::Line;
use std::collections::BTreeSet;
use swarm_core::{Node, PieceSet, Role, Time, TransferId};

/// Every case has one transfer.
pub const TRANSFER: TransferId = TransferId(0);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Seed,
    Honest,
    /// Says that it holds everything, and sends wrong bytes.
    Liar,
    /// Says that it holds everything, and sends nothing.
    Staller,
}

impl Kind {
    /// Whether what it says of itself must be true.
    pub fn is_honest(self) -> bool {
        matches!(self, Self::Seed | Self::Honest)
    }

    pub fn role(self) -> Role {
        if self == Self::Seed {
            Role::Seed
        } else {
            Role::Host
        }
    }
}

#[derive(Debug)]
pub struct Host {
    pub kind: Kind,
    pub zone: u32,
    pub link: Link,
    pub up: Line,
    pub down: Line,
    /// None while it is dead.
    pub node: Option<Node>,
    /// How often it died: what was meant for an earlier life is lost.
    pub life: u32,
    /// What is truly on its disk. Outlives a death.
    pub disk: PieceSet,
    pub neighbours: BTreeSet<u32>,
    /// Its fetches that are not over.
    pub fetching: Vec<FetchId>,
    /// The requests that it has not ended.
    pub serving: Vec<FetchId>,
    pub wake_at: Option<Time>,
    pub completed_at: Option<Time>,
}

impl Host {
    pub fn new(kind: Kind, zone: u32, link: Link, pieces: u32) -> Self {
        let disk = if kind == Kind::Honest {
            PieceSet::empty(pieces)
        } else {
            PieceSet::full(pieces)
        };
        Self {
            kind,
            zone,
            link,
            up: Line::new(link.up),
            down: Line::new(link.down),
            node: None,
            life: 0,
            disk,
            neighbours: BTreeSet::new(),
            fetching: Vec::new(),
            serving: Vec::new(),
            wake_at: None,
            completed_at: None,
        }
    }

    pub fn lives(&self) -> bool {
        self.node.is_some()
    }
}

/// One piece on its way from one host to another.
#[derive(Debug, Clone, Copy)]
pub struct Fetch {
    pub piece: u32,
    /// Who wants it, in which life.
    pub by: u32,
    pub by_life: u32,
    /// Who was asked, in which life.
    pub of: u32,
    pub of_life: u32,
    /// Whether the source has said yes or no.
    pub answered: bool,
}
