//! One simulated host: its disk, its links, and what its driver knows.

use crate::event::FetchId;
use crate::fates::Fate;
use crate::line::Line;
use swarm_core::{PieceSet, Role, Time, TransferId};

/// Every case has one transfer.
pub const TRANSFER: TransferId = TransferId(0);
/// Pieces in ten that a sly liar sends right.
const SLY_PERIOD: u32 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Seed,
    Honest,
    /// Honest, but its disk is too small.
    FullDisk,
    /// Says that it holds everything, and sends wrong bytes.
    Liar,
    /// Says that it holds everything, and sends wrong bytes for some pieces.
    SlyLiar,
    /// Says that it holds everything, and refuses it.
    Boaster,
    /// Says that it holds everything, and sends nothing.
    Staller,
}

impl Kind {
    /// Whether what it says of itself must be true.
    pub fn is_honest(self) -> bool {
        matches!(self, Self::Seed | Self::Honest | Self::FullDisk)
    }

    /// Whether the bytes that it sends for `piece` are right.
    pub fn sends_right(self, piece: u32) -> bool {
        match self {
            Self::SlyLiar => !piece.is_multiple_of(SLY_PERIOD),
            kind => kind.is_honest(),
        }
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
    pub fate: Fate,
    pub zone: u32,
    pub up: Line,
    pub down: Line,
    /// Its program runs: it is neither dead nor not there yet.
    pub lives: bool,
    /// How often it died: what was meant for an earlier life is lost.
    pub life: u32,
    /// What is truly on its disk. Outlives a death.
    pub disk: PieceSet,
    /// Its neighbours, as its driver knows them.
    pub contacts: Vec<u32>,
    /// Its fetches that are not over.
    pub fetching: Vec<Fetching>,
    /// The requests that it has not ended.
    pub serving: Vec<FetchId>,
    pub wake_at: Option<Time>,
    /// By how much its clock is off.
    pub clock_off_s: i32,
    pub completed_at: Option<Time>,
}

impl Host {
    pub fn new(fate: Fate, zone: u32, pieces: u32) -> Self {
        let disk = match fate.kind {
            Kind::Honest | Kind::FullDisk => PieceSet::empty(pieces),
            _ => PieceSet::full(pieces),
        };
        Self {
            fate,
            zone,
            up: Line::new(fate.link.up),
            down: Line::new(fate.link.down),
            lives: false,
            life: 0,
            disk,
            contacts: Vec::new(),
            fetching: Vec::new(),
            serving: Vec::new(),
            wake_at: None,
            clock_off_s: 0,
            completed_at: None,
        }
    }

    pub fn knows(&self, peer: u32) -> bool {
        self.contacts.contains(&peer)
    }

    /// Forgets a neighbour. False if it was none.
    pub fn forget(&mut self, peer: u32) -> bool {
        let place = self.contacts.iter().position(|contact| *contact == peer);
        place.map(|place| self.contacts.remove(place)).is_some()
    }
}

/// A fetch as the host that waits for it knows it.
#[derive(Debug, Clone, Copy)]
pub struct Fetching {
    pub id: FetchId,
    pub piece: u32,
    pub of: u32,
}

/// One piece on its way from one host to another.
#[derive(Debug, Clone, Copy)]
pub struct Fetch {
    pub piece: u32,
    /// Who wants it, in which life.
    pub by: u32,
    pub by_life: u32,
    /// Who was asked, in which life. The store is behind the last seed, and has one life.
    pub of: u32,
    pub of_life: u32,
    /// Whether the source has said yes or no.
    pub answered: bool,
}
