//! The limits of a node.

/// The limits of a node: what it may use of its host, and what others may make it hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Transfers at a time; one more is not started.
    pub transfers_max: usize,
    /// Neighbours a transfer; one more is not listened to. The manager hands out at most 40, so this
    /// leaves room for those who were handed us.
    pub peers_max: usize,
    /// Pieces in flight towards this host that it may have at least, over all transfers. So many keep a
    /// line busy where each comes from another neighbour that has others to serve too. More would only
    /// wait in longer queues at their sources, chosen earlier than need be: in the simulator 16 are
    /// slower than 8. More are in flight only where neighbours are far away for their speed: see
    /// `flow.rs`.
    pub fetches_min: usize,
    /// Pieces in flight at most, however far away and fast the neighbours are. All of them are gone through at every answer,
    /// so there are not too many.
    pub fetches_max: usize,
    /// Bytes of the pieces in flight at most, but for a single piece: each is a buffer of the driver's.
    /// Eight of the longest pieces; also the bandwidth times delay of 10 Gbit/s over 50 ms.
    pub fetch_bytes_max: u64,
    /// Pieces in flight from one neighbour at most: half of all, so that none holds everything that we wait for.
    pub fetches_per_peer_max: usize,
    /// Uploads at a time, over all transfers. Few, because a piece that is sent whole sooner can be
    /// passed on sooner; more than one, because a receiver may be slower than we are. Legout, Urvoy-Keller
    /// & Michiardi, "Rarest first and choke algorithms are enough" (IMC 2006) found 4 to be enough.
    pub upload_slots: usize,
    /// Uploads at a time to one neighbour, so that none can take all slots.
    pub upload_slots_per_peer: usize,
    /// Requests of one neighbour in one transfer that wait for a slot; one more is refused. What an honest
    /// neighbour has in flight, and as many again that it gave up while that word was on its way.
    pub waiting_per_peer_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            transfers_max: 16,
            peers_max: 64,
            fetches_min: 8,
            fetches_max: 64,
            fetch_bytes_max: 64 << 20,
            fetches_per_peer_max: 32,
            upload_slots: 4,
            upload_slots_per_peer: 2,
            waiting_per_peer_max: 64,
        }
    }
}
