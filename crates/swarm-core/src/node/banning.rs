//! Who lied is put out, and kept out.

use super::Node;
use crate::{BanReason, Output, Peer, Time, TransferId};

/// How many banned peers are remembered; of more, the earliest is forgotten. Each is an identity that
/// the region certified, so there are never many.
const BANNED_MAX: usize = 1024;

impl Node {
    /// Puts a peer out of every transfer and keeps it out.
    pub(super) fn ban(&mut self, now: Time, peer: Peer, reason: BanReason) {
        if self.banned.contains(&peer) {
            return;
        }
        if self.banned.len() == BANNED_MAX {
            self.banned.pop_front();
        }
        self.banned.push_back(peer);
        let transfers: Vec<TransferId> = self.transfers.iter().map(|transfer| transfer.id).collect();
        for transfer in transfers {
            self.with(now, transfer, |it, cx| {
                if it.is_store(peer) {
                    return;
                }
                let Some(in_flight) = it.leave(peer, cx) else {
                    return;
                };
                let abandon = |piece| Output::Abandon {
                    transfer,
                    peer,
                    piece,
                };
                cx.outputs.extend(in_flight.into_iter().map(abandon));
                cx.outputs.push_back(Output::Banned {
                    transfer,
                    peer,
                    reason,
                });
            });
        }
        self.refuse_waiting(|asked| asked.peer == peer);
    }
}
