//! What a node tells about itself, for pages, metrics and checks.

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
    /// Uploads, at most `Config::upload_slots`.
    pub uploading: usize,
    /// Requests that wait for a slot, at most `Config::waiting_per_peer_max` for each neighbour.
    pub waiting: usize,
}
