//! What must hold after every event.

use crate::host::{Fetch, Fetching, Host};
use crate::slab::Slab;
use swarm_core::{Config, Load, Message, Node, PieceSet, Time};

/// An invariant that broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Persist before send: a host counted a piece that is not on its disk.
    #[error("host {host} says that it holds piece {piece}, which is not on its disk")]
    CountsUnheldPiece {
        /// Which host.
        host: u32,
        /// Which piece.
        piece: u32,
    },
    /// A host answered yes to a request for a piece that is not on its disk.
    #[error("host {host} serves piece {piece}, which is not on its disk")]
    ServesUnheldPiece {
        /// Which host.
        host: u32,
        /// Which piece.
        piece: u32,
    },
    /// A host said that it is complete while a piece is missing.
    #[error("host {host} completed without every piece, or twice")]
    CompletedWrongly {
        /// Which host.
        host: u32,
    },
    /// A request was answered twice, or an answer names no request.
    #[error("host {host} answered ticket {ticket} that did not wait for an answer")]
    AnsweredUnasked {
        /// Which host.
        host: u32,
        /// Which ticket.
        ticket: u64,
    },
    /// A request was neither answered nor given up at the end of the run.
    #[error("host {host} never answered ticket {ticket}, and has uploads to spare")]
    NeverAnswered {
        /// Which host.
        host: u32,
        /// Which ticket.
        ticket: u64,
    },
    /// A host asked for what it has, asked a stranger, or asked too many for the same piece.
    #[error("host {host} fetches piece {piece} from {peer}: {why}")]
    FetchesWrongly {
        /// Which host.
        host: u32,
        /// Whom it asks.
        peer: u32,
        /// For what.
        piece: u32,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A node holds more than its limits allow.
    #[error("host {host} holds more than its limits allow: {load:?}")]
    OverLimit {
        /// Which host.
        host: u32,
        /// What it holds.
        load: Load,
    },
    /// An honest host was banned.
    #[error("host {host} banned {peer}, which is honest")]
    BannedHonest {
        /// Who banned.
        host: u32,
        /// Whom.
        peer: u32,
    },
    /// A host that lives and is honest never got every piece.
    #[error("{count} hosts are stuck at {at:?}, among them host {host} with {held} pieces")]
    Stuck {
        /// When the run was given up.
        at: Time,
        /// How many.
        count: u32,
        /// One of them.
        host: u32,
        /// What it has.
        held: u32,
    },
}

/// Persist before send: what `host` says that it holds is on its disk.
pub fn message_is_true(host: u32, message: &Message, disk: &PieceSet) -> Result<(), Violation> {
    let unheld = match message {
        Message::Have { pieces } => pieces.iter().find(|&piece| !disk.contains(piece)),
        Message::Gained { pieces, .. } => pieces.iter().copied().find(|&piece| !disk.contains(piece)),
    };
    unheld.map_or(Ok(()), |piece| Err(Violation::CountsUnheldPiece { host, piece }))
}

/// What one peer can make a node hold is bounded, and so is the whole.
pub fn load_is_bounded(host: u32, load: Load, config: &Config) -> Result<(), Violation> {
    let within = load.transfers <= config.transfers_max
        && load.neighbours <= config.peers_max * load.transfers
        && load.in_flight <= config.fetches_max
        && (load.in_flight <= 1 || load.bytes_in_flight <= config.fetch_bytes_max)
        && load.uploading <= config.upload_slots
        && load.waiting <= config.waiting_per_peer_max * load.neighbours;
    if within {
        Ok(())
    } else {
        Err(Violation::OverLimit { host, load })
    }
}

/// A host asks only neighbours or the store, only for what it lacks, and nothing three times.
pub fn fetch_makes_sense(
    by: u32,
    host: &Host,
    (of, is_store): (u32, bool),
    piece: u32,
) -> Result<(), Violation> {
    let same = |other: &&Fetching| other.piece == piece;
    let why = if host.disk.contains(piece) {
        "it has that piece"
    } else if !is_store && !host.knows(of) {
        "that is no neighbour"
    } else if host.fetching.iter().filter(same).count() >= 2 {
        "it waits for two copies already"
    } else {
        return Ok(());
    };
    Err(Violation::FetchesWrongly {
        host: by,
        peer: of,
        piece,
        why,
    })
}

/// At the end of a run: every request got its answer, or its host still has all slots busy.
pub fn everyone_was_answered(
    hosts: &[Host],
    nodes: &[Option<Node>],
    fetches: &Slab<Fetch>,
    config: &Config,
) -> Result<(), Violation> {
    for ((id, host), node) in (0..).zip(hosts).zip(nodes) {
        let Some(node) = node else { continue };
        if node.load().uploading == config.upload_slots {
            continue;
        }
        let serving = || {
            host.serving
                .iter()
                .filter_map(|id| Some((*id, fetches.get(*id)?)))
        };
        for (ticket, fetch) in serving().filter(|(_, fetch)| !fetch.answered) {
            // A neighbour with its fair share of slots may have more requests than that.
            let of_same = serving().filter(|(_, other)| other.by == fetch.by).count();
            if of_same <= config.upload_slots_per_peer {
                let ticket = ticket.number();
                return Err(Violation::NeverAnswered { host: id, ticket });
            }
        }
    }
    Ok(())
}
