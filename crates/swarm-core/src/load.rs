//! What a node tells about itself, for drivers, pages, metrics and checks.

use crate::{Node, Peer, TransferId};

/// How far one transfer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Pieces of the artifact.
    pub pieces: u32,
    /// Pieces on disk.
    pub held: u32,
    /// Pieces in flight.
    pub in_flight: usize,
    /// Neighbours.
    pub neighbours: usize,
}

/// What a node holds at this moment, for metrics and for checks of its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Transfers, at most `Config::transfers_max`.
    pub transfers: usize,
    /// Neighbours over all transfers, at most `Config::peers_max` each.
    pub neighbours: usize,
    /// Pieces in flight over all transfers.
    pub in_flight: usize,
    /// Their bytes.
    pub bytes_in_flight: u64,
    /// Uploads, at most `Config::upload_slots`.
    pub uploading: usize,
    /// Requests that wait for a slot, at most `Config::waiting_per_peer_max` for each neighbour.
    pub waiting: usize,
}

impl Node {
    /// A transfer's neighbours: those who joined, save what the limits kept out.
    pub fn neighbours(&self, transfer: TransferId) -> impl Iterator<Item = Peer> + '_ {
        let neighbours = self.transfer(transfer).into_iter().flat_map(|it| &it.neighbours);
        neighbours.map(|neighbour| neighbour.peer)
    }

    /// How many of a transfer's pieces have 0, 1, 2 … copies among its neighbours, if the node knows
    /// it. What this host and the store hold doesn't count.
    #[must_use]
    pub fn rarity(&self, transfer: TransferId) -> Option<Vec<u32>> {
        self.transfer(transfer).map(|transfer| transfer.picker.rarity())
    }

    /// Whether a message could make the node do something at once: a host with room for another
    /// fetch, or a seed in its first pass. Otherwise a driver may hand messages over later, in order, but
    /// before any input other than [`Input::Requested`], and nothing changes.
    #[must_use]
    pub fn acts_on_news(&self) -> bool {
        let has_room = self.in_flight() < self.fetches_max();
        let mut transfers = self.transfers.iter();
        transfers.any(|it| it.first_pass.is_some() || (has_room && it.wants_pieces()))
    }

    /// How far a transfer has come, if the node knows it.
    #[must_use]
    pub fn progress(&self, transfer: TransferId) -> Option<Progress> {
        self.transfer(transfer).map(|transfer| Progress {
            pieces: transfer.held.pieces(),
            held: transfer.held.held(),
            in_flight: transfer.requests.len(),
            neighbours: transfer.neighbours.len(),
        })
    }

    /// What the node holds at this moment.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            transfers: self.transfers.len(),
            neighbours: self
                .transfers
                .iter()
                .map(|transfer| transfer.neighbours.len())
                .sum(),
            in_flight: self.in_flight(),
            bytes_in_flight: self.transfers.iter().map(|it| it.bytes_in_flight()).sum(),
            uploading: self.slots.uploading(),
            waiting: self.slots.waiting(),
        }
    }
}
