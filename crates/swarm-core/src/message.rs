//! What nodes tell each other. Requests and pieces travel beside these, in the driver's own form.

use crate::{Peer, Piece, PieceSet};
use serde::{Deserialize, Serialize};

/// The most pieces in one [`Message::Gained`]. A driver can size its frames by it; a node never
/// sends more and believes nothing of a message that holds more.
pub const GAINED_MAX: usize = 4096;

/// A message about one transfer. Between two neighbours messages arrive in the order in which they
/// were sent, or the driver reports the neighbour as gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Everything that the sender can give. Sent once when two neighbours meet, and once more by a
    /// seed whose first pass is over. It replaces whatever the sender said before.
    Have {
        /// The pieces that may be asked for.
        pieces: PieceSet,
    },
    /// Pieces that the sender can give since its last message, at most [`GAINED_MAX`]. Who has all of
    /// them already, and so has no use for the news, is told nothing.
    Gained {
        /// The pieces that may be asked for now.
        pieces: Vec<Piece>,
        /// How many pieces the sender has by now, since not all news reaches everybody.
        held: u32,
        /// How many requests wait for one of the sender's upload slots; 255 stands for more too. It
        /// lets others ask whoever has less to do.
        waiting: u8,
    },
}

/// A neighbour's [`Message::Gained`], as [`Node::hear_all`](crate::Node::hear_all) takes it.
#[derive(Debug, Clone, Copy)]
pub struct News<'a> {
    /// Who sent it.
    pub peer: Peer,
    /// The pieces that may be asked for now.
    pub pieces: &'a [Piece],
    /// How many pieces the sender has by now.
    pub held: u32,
    /// How many requests wait for one of the sender's upload slots.
    pub waiting: u8,
}
