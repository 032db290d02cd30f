//! The region's object store as one more source of pieces.
//!
//! To the rules it is a peer with a name that no host has; they decide what is read of it and when. Here
//! a piece is read as a job, then takes the same way to the disk as one that came from a peer.

use super::Swarm;
use crate::transfer::{Place, Store};
use crate::{Error, PieceSource};
use model::ArtifactId;
use std::sync::Arc;
use swarm_core::{Input, Miss, Peer, Piece, PieceSet, TransferId};

/// The store's name within the rules. Peers are named from 0 on, and there are never this many.
pub(crate) const STORE: Peer = Peer(u32::MAX);

impl Swarm {
    /// Lets an artifact be read from the store, instead of what was said of the store before.
    pub(super) fn offer_store(
        &mut self,
        artifact: ArtifactId,
        source: Arc<dyn PieceSource>,
        share: PieceSet,
    ) -> Result<(), Error> {
        let id = *self.artifacts.get(&artifact).ok_or(Error::Forgotten)?;
        let transfer = self.transfers.get_mut(&id).ok_or(Error::Forgotten)?;
        // What is being read goes on: an older address is as good as long as it is taken.
        let pulls = transfer.store.take().map(|store| store.pulls).unwrap_or_default();
        transfer.store = Some(Store { source, share, pulls });
        self.introduce_store(id);
        Ok(())
    }

    /// Reads an artifact from the store no more.
    pub(super) fn withdraw_store(&mut self, artifact: &ArtifactId) {
        let Some(id) = self.artifacts.get(artifact).copied() else {
            return;
        };
        let store = self
            .transfers
            .get_mut(&id)
            .and_then(|transfer| transfer.store.take());
        if let Some(store) = store {
            store.pulls.into_values().for_each(|cancel| cancel.cancel());
            self.tell(Input::PeerLeft {
                transfer: id,
                peer: STORE,
            });
        }
    }

    /// Tells the rules of a transfer's store, once they know the transfer.
    pub(super) fn introduce_store(&mut self, id: TransferId) {
        let Some(transfer) = self.transfers.get(&id).filter(|transfer| transfer.is_shared()) else {
            return;
        };
        if let Some(store) = &transfer.store {
            let share = store.share.clone();
            self.tell(Input::StoreOffered {
                transfer: id,
                peer: STORE,
                share,
            });
        }
    }

    /// Reads a piece from the store.
    pub(super) fn pull(&mut self, id: TransferId, piece: Piece) {
        let pulled = self.transfers.get_mut(&id).and_then(|transfer| {
            let (Place::Folder(folder), Some(store)) = (&transfer.place, &mut transfer.store) else {
                return None;
            };
            let cancel = transfer.cancel.child_token();
            store.pulls.insert(piece, cancel.clone());
            transfer.jobs += 1;
            let from = (store.source.clone(), self.down.clone());
            self.jobs.pull(id, folder.clone(), piece, from, cancel);
            Some(())
        });
        if pulled.is_none() {
            self.not_pulled(id, piece, Miss::Refused);
        }
    }

    /// Stops reading a piece: nobody waits for it any more.
    pub(super) fn abandon_pull(&mut self, id: TransferId, piece: Piece) {
        let transfer = self.transfers.get_mut(&id);
        if let Some(cancel) = transfer.and_then(|transfer| transfer.pull_ended(piece)) {
            cancel.cancel();
        }
    }

    pub(super) fn not_pulled(&mut self, id: TransferId, piece: Piece, reason: Miss) {
        if let Some(transfer) = self.transfers.get_mut(&id) {
            transfer.pull_ended(piece);
        }
        self.tell(Input::Missed {
            transfer: id,
            piece,
            peer: STORE,
            reason,
        });
    }
}
