//! Floor 1: the rules by which the hosts of a region exchange an artifact's pieces.
//!
//! A BitTorrent-like swarm made for one owner's machines. Everybody co-operates, so there is no
//! tit-for-tat, and the aim is the time of the *last* host. The rules are a state machine without
//! I/O: a driver hands every [`Input`] to [`Node::handle`] with the time at which it happened, then
//! takes every [`Output`] out of [`Node::poll_output`], and wakes the node with [`Input::Timeout`]
//! when [`Node::poll_timeout`] says so, and why. The libp2p driver and the simulator run this very
//! code.
//!
//! Where to read:
//!
//! | question | file |
//! |---|---|
//! | which piece is asked for next? | [`picker`] |
//! | whom is it asked of, and when does one wait? | `neighbour.rs`, `asking.rs` |
//! | how many requests are in flight? | `flow.rs` |
//! | when is a request too slow? | `requests.rs` |
//! | how do the last pieces come in? | `end_game.rs` |
//! | what is pulled from the region's store, and when? | `store.rs` |
//! | how do several artifacts share this host? | `sharing.rs` |
//! | who is uploaded to, who waits, who is refused? | `slots.rs` |
//! | what does a seed give away first? | `first_pass.rs` |
//! | which pieces does whom read from the store? | [`store_share`] |
//! | what is told to whom, and what is believed? | `hearing.rs` |
//! | what could anybody do at best? | [`bound`] |
//!
//! Promises:
//!
//! - **Persist before send.** A piece is announced or served only after [`Input::Stored`], which a
//!   driver reports once the piece is verified and on disk.
//! - **Bounded.** Whatever peers send, the memory of a node is bounded by its [`Config`]: peers a
//!   transfer, transfers, queued requests a peer, requests in flight. One input yields a bounded
//!   number of outputs.
//! - **Repeatable.** The same seed and the same inputs at the same times give the same outputs, to
//!   the bit.
//! - **Never panics** on anything that a peer can cause.
//!
//! This crate never reads a clock, draws randomness of its own, touches a socket or a file, or
//! knows what a piece's bytes are.

mod asking;
pub mod bound;
mod config;
mod end_game;
mod first_pass;
mod flow;
mod hearing;
mod input;
mod load;
mod message;
mod neighbour;
mod node;
mod output;
pub mod picker;
mod piece_set;
mod recall;
mod requests;
mod sharing;
mod slots;
mod store;
pub mod store_share;
mod time;
mod transfer;

pub use config::Config;
pub use input::{Input, Miss};
pub use load::{Load, Progress};
pub use message::{GAINED_MAX, Message, News};
pub use node::Node;
pub use output::{BanReason, Output};
pub use piece_set::{InvalidPieceSet, PIECES_MAX, Piece, PieceSet};
pub use time::Time;

use serde::{Deserialize, Serialize};

/// A neighbour, by the handle that the driver gave it. A driver gives the same handle to the same
/// identity for as long as the node lives, so that a ban outlasts a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(pub u32);

/// One artifact's exchange on this host, by the handle that the driver gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub u32);

/// One incoming request for a piece. The driver never uses a ticket twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What somebody is to a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Holds every piece from the start and only gives.
    Seed,
    /// Wants every piece, and gives what it has.
    Host,
    /// The region's object store: holds every piece, says nothing and is told nothing. It is no
    /// neighbour but is made known by [`Input::StoreOffered`].
    Store,
}
