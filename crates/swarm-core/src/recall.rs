//! Brings what a node knows near the processor.

use crate::{Node, Piece, TransferId};
use std::hint::black_box;

/// So many neighbours lie in one line of a processor's cache.
const NEIGHBOURS_A_LINE: usize = 2;

impl Node {
    /// Reads what most inputs of a transfer need, and news of these pieces, and does nothing with it. A driver of very many
    /// nodes that knows which of them come next does this for several at a time, so that it waits for the
    /// memory of all of them together, not of one after the other. Whoever drives one node has no use for it.
    pub fn recall(&self, transfer: TransferId, pieces: impl IntoIterator<Item = Piece>) {
        let Some(transfer) = self.transfer(transfer) else {
            return;
        };
        black_box(transfer.alarm);
        black_box(transfer.index_of(crate::Peer(u32::MAX)));
        black_box(transfer.requests.iter().last().map(|request| request.piece));
        black_box(self.slots.last());
        for neighbour in transfer.neighbours.iter().step_by(NEIGHBOURS_A_LINE) {
            black_box(neighbour.held);
        }
        for piece in pieces {
            black_box((transfer.picker.holders(piece), transfer.picker.is_open(piece)));
            black_box(transfer.held.contains(piece));
        }
    }
}
