//! The limits of a node.

/// The limits of a node: what it may use of its host, and what others may make it hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Transfers at a time; one more is not started.
    pub transfers_max: usize,
    /// Neighbours a transfer; one more is not listened to. The manager hands out at most 40, so this
    /// leaves room for those who were handed us.
    pub peers_max: usize,
    /// Pieces in flight towards this host, over all transfers. Each is a buffer of a whole piece, at
    /// most 8 MiB, so this bounds the driver's memory too. More would only wait in longer queues at
    /// their sources, chosen earlier than need be: in the simulator 16 are slower than 8.
    pub fetches_max: usize,
    /// Pieces in flight from one neighbour, where its pace asks for more than one.
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
            fetches_max: 8,
            fetches_per_peer_max: 4,
            upload_slots: 4,
            upload_slots_per_peer: 2,
            waiting_per_peer_max: 4,
        }
    }
}
