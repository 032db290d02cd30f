//! What a driver tells a node.

use crate::{Message, Peer, Piece, PieceSet, Role, Ticket, TransferId};

/// Something that happened. Anything that names a transfer, a peer or a ticket that the node
/// doesn't know is ignored, except that an incoming request is always answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// This host takes part in a transfer from now on.
    TransferStarted {
        /// The handle, not in use.
        transfer: TransferId,
        /// How many pieces the artifact has.
        pieces: u32,
        /// Bytes of a piece; the last may have fewer.
        piece_bytes: u64,
        /// The pieces that are verified and on disk already. A set of another size counts as empty.
        have: PieceSet,
        /// What this host is to the transfer.
        role: Role,
    },
    /// This host takes no part any more.
    TransferEnded {
        /// Which one.
        transfer: TransferId,
    },
    /// A connection to a certified neighbour stands, and both ends take part in the transfer. Comes
    /// before any other input with that peer. The answer is a [`Message::Have`].
    PeerJoined {
        /// In which transfer.
        transfer: TransferId,
        /// Who.
        peer: Peer,
        /// What the neighbour's certificate says that it is.
        role: Role,
    },
    /// The neighbour is gone, or takes no part any more. Requests in flight to it are over, so no
    /// [`Input::Missed`] has to follow.
    PeerLeft {
        /// From which transfer.
        transfer: TransferId,
        /// Who.
        peer: Peer,
    },
    /// The region's object store can be asked for any piece, by ranged GET. `Fetch`, `Abandon`,
    /// `Stored`, `Rejected`, `Missed` and `PeerLeft` name it as any peer; nothing is ever sent to it.
    /// A transfer has one store at most: another, or another share, replaces the one before. A store
    /// that fails or sends wrong bytes is left alone for a while, never banned.
    StoreOffered {
        /// For which transfer.
        transfer: TransferId,
        /// The store's handle, which no host has.
        peer: Peer,
        /// The pieces that the manager wants this host to pull, in no other host's share. A set of
        /// another size counts as empty.
        share: PieceSet,
    },
    /// How much of this host's fetches a transfer gets while there are several: in proportion to its
    /// priority, and never nothing.
    Prioritised {
        /// Which one.
        transfer: TransferId,
        /// Its weight beside the others', 1 at the start; 0 counts as 1.
        priority: u8,
    },
    /// Whether a transfer rests: it neither asks nor serves, and keeps what it has.
    Paused {
        /// Which one.
        transfer: TransferId,
        /// Whether it does from now on.
        paused: bool,
    },
    /// A neighbour said something.
    Message {
        /// About which transfer.
        transfer: TransferId,
        /// Who.
        peer: Peer,
        /// What.
        message: Message,
    },
    /// A neighbour asks for a piece. The answer is exactly one `Serve` or `Refuse` with this ticket,
    /// now or later.
    Requested {
        /// Of which transfer.
        transfer: TransferId,
        /// Who asks.
        peer: Peer,
        /// For what.
        piece: Piece,
        /// A new name for this request.
        ticket: Ticket,
    },
    /// The upload of a ticket that was answered `Serve` has ended, well or not; or the asker of a
    /// ticket that still waits has given up. A driver must end an upload that makes no progress, for
    /// it holds a slot.
    Served {
        /// Which one.
        ticket: Ticket,
    },
    /// A piece is verified and on disk: from now on it may be announced and served.
    Stored {
        /// Of which transfer.
        transfer: TransferId,
        /// Which piece.
        piece: Piece,
        /// Who sent it.
        peer: Peer,
    },
    /// A piece did not have the hash that the manifest names.
    Rejected {
        /// Of which transfer.
        transfer: TransferId,
        /// Which piece.
        piece: Piece,
        /// Who sent it.
        peer: Peer,
    },
    /// A piece that was fetched will not come. A driver reports a source from which no byte has come
    /// for some seconds as [`Miss::TimedOut`]: the node itself only knows who is slower than others.
    Missed {
        /// Of which transfer.
        transfer: TransferId,
        /// Which piece.
        piece: Piece,
        /// Who was asked.
        peer: Peer,
        /// Why.
        reason: Miss,
    },
    /// The moment that `poll_timeout` named has come. Too early does no harm.
    Timeout,
}

/// Why a piece did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Miss {
    /// The peer has too much to do, or doesn't hold the piece.
    Refused,
    /// No byte came for too long.
    TimedOut,
    /// The connection or the answer broke off.
    Broken,
}
