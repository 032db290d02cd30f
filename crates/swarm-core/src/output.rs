//! What a node asks of its driver.

use crate::{Message, Peer, Piece, Ticket, TransferId};

/// Something to do. A driver takes all of them after every input, and does them in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Tell a neighbour something.
    Send {
        /// About which transfer.
        transfer: TransferId,
        /// Whom.
        peer: Peer,
        /// What.
        message: Message,
    },
    /// Tell the same to several neighbours.
    Announce {
        /// About which transfer.
        transfer: TransferId,
        /// Whom.
        peers: Vec<Peer>,
        /// What.
        message: Message,
    },
    /// Ask a neighbour, or the region's store, for a piece. Answered by exactly one of `Stored`, `Rejected`, `Missed`, unless
    /// the peer leaves, the transfer ends or an `Abandon` comes first.
    Fetch {
        /// Of which transfer.
        transfer: TransferId,
        /// Whom.
        peer: Peer,
        /// Which piece.
        piece: Piece,
    },
    /// Stop a fetch: nobody waits for it any more. A piece that arrives nevertheless may be reported.
    Abandon {
        /// Of which transfer.
        transfer: TransferId,
        /// Whom it was asked of.
        peer: Peer,
        /// Which piece.
        piece: Piece,
    },
    /// Send the piece that this ticket asked for, then report `Served`.
    Serve {
        /// Which request.
        ticket: Ticket,
    },
    /// Tell the asker no. It is not final: it may ask again.
    Refuse {
        /// Which request.
        ticket: Ticket,
    },
    /// Every piece is on disk. Said once a transfer, at its start where nothing was missing.
    Completed {
        /// Which one.
        transfer: TransferId,
    },
    /// A peer broke the rules and is no neighbour in any transfer any more. Said once for each
    /// transfer that it was part of; the driver closes its connections and names it in the log.
    Banned {
        /// In which transfer.
        transfer: TransferId,
        /// Who.
        peer: Peer,
        /// Why.
        reason: BanReason,
    },
}

/// What a peer did that no honest peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum BanReason {
    /// It sent a piece whose bytes have another hash than the manifest names.
    #[error("sent wrong bytes for piece {piece}")]
    WrongPiece {
        /// Which piece.
        piece: Piece,
    },
    /// It described an artifact of another size.
    #[error("announced a set of {pieces} pieces for an artifact of another size")]
    WrongSize {
        /// The pieces that its set has room for.
        pieces: u32,
    },
    /// It announced a piece that the artifact doesn't have.
    #[error("announced piece {piece}, which the artifact does not have")]
    OutOfRange {
        /// Which piece.
        piece: Piece,
    },
    /// It repeated itself, or asked for what it may not have, far more often than any mishap explains.
    #[error("sent too many messages or requests without a use")]
    Flood,
}
