//! What jobs found out, and what follows from it.

use super::{STORE, Swarm};
use crate::buffers::Buffer;
use crate::disk::write::Written;
use crate::jobs::{Ended, What};
use crate::transfer::{Origin, Phase, Place};
use crate::{Error, metrics};
use swarm_core::{Input, Peer, PieceSet, TransferId};

impl Swarm {
    pub(super) fn on_job(&mut self, Ended { transfer: id, what }: Ended) {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        transfer.jobs = transfer.jobs.saturating_sub(1);
        if transfer.is_closing() {
            self.bury(id);
            return;
        }
        match what {
            What::Verified(Ok(have)) => self.verified(id, have),
            What::Written {
                piece,
                peer,
                length,
                result: Ok((written, took)),
            } => {
                transfer.checked(took);
                self.written(id, piece, peer, length, written);
            }
            What::Sealed(Ok(())) => {
                tracing::info!(artifact = %transfer.artifact().short(), "an artifact is complete");
                transfer.phase = Phase::Complete;
                transfer.ended(Ok(()));
            }
            What::Verified(Err(error))
            | What::Written {
                result: Err(error), ..
            }
            | What::Sealed(Err(error)) => {
                tracing::warn!(artifact = %transfer.artifact().short(), %error, "an artifact is given up");
                self.close(id, error, None);
            }
            What::NotPulled {
                piece,
                reason: Some(reason),
            } => self.not_pulled(id, piece, reason),
            What::NotPulled { reason: None, .. } => {}
        }
        self.seal_when_quiet(id);
    }

    fn verified(&mut self, id: TransferId, have: PieceSet) {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        let (verified, pieces) = (have.held(), have.pieces());
        transfer.found(have);
        match (&mut transfer.phase, &transfer.place) {
            (Phase::Checking(_), Place::Folder(folder)) if verified < pieces => {
                let folder = folder.root().to_owned();
                self.close(
                    id,
                    Error::Incomplete {
                        folder,
                        verified,
                        pieces,
                    },
                    None,
                );
            }
            (Phase::Checking(waiting), _) => {
                let waiting = std::mem::take(waiting);
                transfer.phase = Phase::Complete;
                transfer.ended(Ok(()));
                waiting.into_iter().for_each(|reply| drop(reply.send(Ok(()))));
                self.share(id);
            }
            _ => {
                transfer.phase = Phase::Fetching;
                self.share(id);
            }
        }
    }

    fn written(&mut self, id: TransferId, piece: u32, peer: Peer, length: u64, written: Written) {
        let (origin, name) = match self.names.known(peer) {
            _ if peer == STORE => (Origin::Store, "the region's store"),
            Some(known) => (Origin::of_role(known.role), known.name.as_str()),
            None => return,
        };
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        if origin == Origin::Store {
            transfer.pull_ended(piece);
        }
        match written {
            Written::Stored => {
                if transfer.stored(piece, origin) {
                    metrics::count_received(origin.label(), length);
                } else {
                    metrics::count(metrics::WASTED_BYTES, length);
                }
                self.tell(Input::Stored {
                    transfer: id,
                    piece,
                    peer,
                });
            }
            Written::Rejected => {
                let artifact = transfer.artifact().short();
                tracing::warn!(%artifact, piece, name, "a wrong piece came");
                transfer.wasted(length);
                transfer.rejected();
                metrics::count(metrics::WASTED_BYTES, length);
                metrics::count(metrics::PIECES_REJECTED, 1);
                self.tell(Input::Rejected {
                    transfer: id,
                    piece,
                    peer,
                });
            }
        }
    }

    /// A piece has come; whether it is the right one is seen when it is written.
    pub(super) fn take_piece(&mut self, id: TransferId, piece: u32, peer: Peer, bytes: Buffer) {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        let Place::Folder(folder) = &transfer.place else {
            return;
        };
        if transfer.have.contains(piece) {
            // Perhaps its program runs already: nothing is written to it again.
            let length = bytes.len() as u64;
            return self.written(id, piece, peer, length, Written::Stored);
        }
        transfer.jobs += 1;
        self.jobs.write(id, folder.clone(), piece, peer, bytes);
    }
}
