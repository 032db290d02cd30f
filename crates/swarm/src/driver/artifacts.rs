//! Artifacts: begun, brought to their end, forgotten.

use super::{Swarm, TRANSFERS_MAX};
use crate::disk::Folder;
use crate::transfer::{Phase, Place, Transfer};
use crate::wire::control::Control;
use crate::{Donor, Error, Fetch, PeerId, Role, Source};
use artifact::VerifiedManifest;
use model::ArtifactId;
use std::path::PathBuf;
use swarm_core::{Input, TransferId};
use tokio::sync::oneshot;

impl Swarm {
    pub(super) fn fetch(
        &mut self,
        manifest: VerifiedManifest,
        folder: PathBuf,
        donors: Vec<Donor>,
    ) -> Result<Fetch, Error> {
        if let Some(known) = self.known(&manifest.id()) {
            return match &known.place {
                Place::Folder(there) if there.root() == folder => Ok(Fetch {
                    state: known.state.subscribe(),
                }),
                place => Err(Error::Elsewhere {
                    place: format!("{place:?}"),
                }),
            };
        }
        let folder = Folder::new(folder, manifest.clone(), self.disk.clone());
        let donors = donors
            .into_iter()
            .map(|donor| Folder::new(donor.folder, donor.manifest, self.disk.clone()))
            .collect();
        let id = self.begin(manifest, Place::Folder(folder.clone()), Phase::Resuming)?;
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return Err(Error::Forgotten);
        };
        transfer.jobs += 1;
        self.jobs.prepare(id, folder, donors, transfer.cancel.clone());
        Ok(Fetch {
            state: transfer.state.subscribe(),
        })
    }

    pub(super) fn serve(
        &mut self,
        manifest: VerifiedManifest,
        source: Source,
        reply: oneshot::Sender<Result<(), Error>>,
    ) {
        let place = match source {
            Source::Folder(folder) => Place::Folder(Folder::new(folder, manifest.clone(), self.disk.clone())),
            Source::Remote(source) => Place::Remote(source),
        };
        let answer = match self.known_mut(&manifest.id()) {
            Some(known) => match (&mut known.phase, &known.place, &place) {
                // The bytes were verified by this node, or will be whenever they are read.
                (Phase::Complete, Place::Folder(_), _) | (Phase::Complete, _, Place::Remote(_)) => {
                    if let Place::Folder(before) = std::mem::replace(&mut known.place, place) {
                        before.close();
                    }
                    Ok(())
                }
                (Phase::Checking(waiting), Place::Folder(there), Place::Folder(here))
                    if there.root() == here.root() =>
                {
                    waiting.push(reply);
                    return;
                }
                (_, there, _) => Err(Error::Elsewhere {
                    place: format!("{there:?}"),
                }),
            },
            None => match place {
                Place::Remote(_) => self
                    .begin(manifest, place, Phase::Complete)
                    .map(|id| self.share(id)),
                Place::Folder(folder) => return self.check(manifest, folder, reply),
            },
        };
        // Whoever asked may have stopped waiting for the answer.
        drop(reply.send(answer));
    }

    fn check(
        &mut self,
        manifest: VerifiedManifest,
        folder: Folder,
        reply: oneshot::Sender<Result<(), Error>>,
    ) {
        if self.transfers.len() >= TRANSFERS_MAX {
            drop(reply.send(Err(too_many())));
            return;
        }
        let phase = Phase::Checking(vec![reply]);
        let Ok(id) = self.begin(manifest, Place::Folder(folder.clone()), phase) else {
            return;
        };
        if let Some(transfer) = self.transfers.get_mut(&id) {
            transfer.jobs += 1;
            self.jobs.check(id, folder, transfer.cancel.clone());
        }
    }

    pub(super) fn forget(&mut self, artifact: ArtifactId, reply: oneshot::Sender<()>) {
        match self.artifacts.get(&artifact).copied() {
            Some(id) => self.close(id, Error::Forgotten, Some(reply)),
            // Whoever asked may have stopped waiting for the answer.
            None => reply.send(()).unwrap_or_default(),
        }
    }

    pub(super) fn pause(&mut self, artifact: &ArtifactId, paused: bool) {
        if let Some(known) = self.known_mut(artifact) {
            known.paused = paused;
            let transfer = known.id;
            if known.is_shared() {
                self.tell(Input::Paused { transfer, paused });
            }
        }
    }

    pub(super) fn prefer(&mut self, artifact: &ArtifactId, priority: u8) {
        if let Some(known) = self.known_mut(artifact) {
            known.priority = priority;
            let transfer = known.id;
            if known.is_shared() {
                self.tell(Input::Prioritised { transfer, priority });
            }
        }
    }

    fn known(&self, artifact: &ArtifactId) -> Option<&Transfer> {
        self.transfers.get(self.artifacts.get(artifact)?)
    }

    fn known_mut(&mut self, artifact: &ArtifactId) -> Option<&mut Transfer> {
        self.transfers.get_mut(self.artifacts.get(artifact)?)
    }

    fn begin(&mut self, manifest: VerifiedManifest, place: Place, phase: Phase) -> Result<TransferId, Error> {
        if self.transfers.len() >= TRANSFERS_MAX {
            return Err(too_many());
        }
        let id = TransferId(self.transfers_begun);
        self.transfers_begun = self.transfers_begun.wrapping_add(1);
        self.artifacts.insert(manifest.id(), id);
        self.transfers
            .insert(id, Transfer::new(id, manifest, place, phase));
        Ok(id)
    }

    /// Lets the rules and the peers know of an artifact, now that it is known what of it is here.
    pub(super) fn share(&mut self, id: TransferId) {
        let Some(transfer) = self.transfers.get(&id) else {
            return;
        };
        let (artifact, have) = (transfer.artifact(), transfer.have.clone());
        let (paused, priority) = (transfer.paused, transfer.priority);
        let piece_bytes = transfer.piece_length(0);
        let manager = self.config.certificate.statement().role == Role::Manager;
        // A seed gives each piece once before any twice; a host that has everything just gives.
        let role = if manager && have.is_full() {
            swarm_core::Role::Seed
        } else {
            swarm_core::Role::Host
        };
        self.tell(Input::TransferStarted {
            transfer: id,
            pieces: have.pieces(),
            piece_bytes,
            have,
            role,
        });
        self.tell(Input::Prioritised {
            transfer: id,
            priority,
        });
        if paused {
            self.tell(Input::Paused { transfer: id, paused });
        }
        self.introduce_store(id);
        self.say_to_all(&Control::Join(artifact));
        let peers: Vec<PeerId> = self.sessions.keys().copied().collect();
        for peer in peers {
            self.meet(peer, id, artifact);
        }
    }

    /// The rules have every piece: the files are flushed, once nothing is written to them any more.
    pub(super) fn seal(&mut self, id: TransferId) {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        if matches!(transfer.phase, Phase::Fetching) {
            transfer.phase = Phase::Sealing;
            self.seal_when_quiet(id);
        }
    }

    pub(super) fn seal_when_quiet(&mut self, id: TransferId) {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        if let (Phase::Sealing, Place::Folder(folder), 0) = (&transfer.phase, &transfer.place, transfer.jobs)
        {
            transfer.jobs += 1;
            self.jobs.seal(id, folder.clone());
        }
    }

    /// Takes no part in an artifact any more, and says why to all who wait.
    pub(super) fn close(&mut self, id: TransferId, reason: Error, waiting: Option<oneshot::Sender<()>>) {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        let artifact = transfer.artifact();
        let shared = transfer.is_shared();
        transfer.cancel.cancel();
        let closing = Phase::Closing(waiting.into_iter().collect());
        if let Phase::Checking(replies) = std::mem::replace(&mut transfer.phase, closing) {
            replies
                .into_iter()
                .for_each(|reply| drop(reply.send(Err(reason.clone()))));
        }
        transfer.ended(Err(reason));
        self.artifacts.remove(&artifact);
        if shared {
            self.tell(Input::TransferEnded { transfer: id });
            self.say_to_all(&Control::Leave(artifact));
        }
        self.bury(id);
    }

    /// Removes a closed transfer once nothing is written for it any more.
    pub(super) fn bury(&mut self, id: TransferId) {
        if self.transfers.get(&id).is_some_and(|transfer| transfer.jobs > 0) {
            return;
        }
        let Some(transfer) = self.transfers.remove(&id) else {
            return;
        };
        if let Place::Folder(folder) = &transfer.place {
            folder.close();
        }
        if let Phase::Closing(waiting) = transfer.phase {
            waiting
                .into_iter()
                .for_each(|reply| reply.send(()).unwrap_or_default());
        }
    }
}

fn too_many() -> Error {
    Error::TooMany {
        what: "artifacts",
        max: TRANSFERS_MAX,
    }
}
