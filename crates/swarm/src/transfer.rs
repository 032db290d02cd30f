//! One artifact that is fetched or served.

use crate::disk::Folder;
use crate::status::ArtifactStatus;
use crate::{Error, FetchState, PieceSource, Role};
use artifact::VerifiedManifest;
use model::ArtifactId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use swarm_core::{PieceSet, TransferId};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Where the pieces of an artifact are.
#[derive(Clone)]
pub(crate) enum Place {
    /// In files.
    Folder(Folder),
    /// Somewhere that has to be asked.
    Remote(Arc<dyn PieceSource>),
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.root().fmt(formatter),
            Self::Remote(_) => formatter.write_str("remote"),
        }
    }
}

/// How far an artifact has come.
#[derive(Debug)]
pub(crate) enum Phase {
    /// What lies in its folder is being verified, to be fetched on from there.
    Resuming,
    /// What lies in its folder is being verified, to be served; somebody waits to hear.
    Checking(Vec<oneshot::Sender<Result<(), Error>>>),
    /// Its pieces come in.
    Fetching,
    /// Its last piece has come; its files are being sealed.
    Sealing,
    /// It is whole.
    Complete,
    /// Nobody wants it any more; what still runs for it is waited for.
    Closing(Vec<oneshot::Sender<()>>),
}

/// One artifact that is fetched or served.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) id: TransferId,
    pub(crate) manifest: VerifiedManifest,
    pub(crate) place: Place,
    pub(crate) phase: Phase,
    /// Whether it rests, and its weight beside others, as the handle said last.
    pub(crate) paused: bool,
    pub(crate) priority: u8,
    /// The pieces that are here.
    pub(crate) have: PieceSet,
    /// What those who wait for the fetch see.
    pub(crate) state: watch::Sender<FetchState>,
    /// Work on blocking threads that has not ended.
    pub(crate) jobs: u32,
    /// Ends that work early where it can be ended.
    pub(crate) cancel: CancellationToken,
    started: Instant,
}

impl Transfer {
    pub(crate) fn new(id: TransferId, manifest: VerifiedManifest, place: Place, phase: Phase) -> Self {
        let mut state = FetchState::default();
        state.transfer.total_bytes = manifest.total_length();
        state.verifying = matches!(phase, Phase::Resuming | Phase::Checking(_));
        let pieces = manifest.piece_count();
        // The bytes of a remote place are verified when they are read.
        let have = match place {
            Place::Folder(_) => PieceSet::empty(pieces),
            Place::Remote(_) => PieceSet::full(pieces),
        };
        Self {
            id,
            manifest,
            place,
            phase,
            paused: false,
            priority: 1,
            have,
            state: watch::Sender::new(state),
            jobs: 0,
            cancel: CancellationToken::new(),
            started: Instant::now(),
        }
    }

    pub(crate) fn artifact(&self) -> ArtifactId {
        self.manifest.id()
    }

    /// Whether peers are told of it: not before it is known what is here.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.phase, Phase::Fetching | Phase::Sealing | Phase::Complete)
    }

    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing(_))
    }

    /// Bytes of one piece.
    pub(crate) fn piece_length(&self, piece: u32) -> u64 {
        let range = self.manifest.piece_range(piece);
        range.end - range.start
    }

    /// Takes in what was found on the disk.
    pub(crate) fn found(&mut self, have: PieceSet) {
        let local_bytes = have.iter().map(|piece| self.piece_length(piece)).sum();
        self.have = have;
        self.state.send_modify(|state| {
            state.transfer.local_bytes = local_bytes;
            state.verifying = false;
        });
        self.note_elapsed();
    }

    /// Takes in a piece that is in place now. False if it was before.
    pub(crate) fn stored(&mut self, piece: u32, role: Role) -> bool {
        let length = self.piece_length(piece);
        if !self.have.insert(piece) {
            self.wasted(length);
            return false;
        }
        self.state.send_modify(|state| match role {
            Role::Manager => state.transfer.seed_bytes += length,
            Role::Host => state.transfer.peer_bytes += length,
        });
        self.note_elapsed();
        true
    }

    pub(crate) fn wasted(&mut self, bytes: u64) {
        self.state
            .send_modify(|state| state.transfer.wasted_bytes += bytes);
    }

    /// Takes in that a piece was checked and, if it was right, written, and how long that took.
    pub(crate) fn checked(&mut self, took: Duration) {
        self.state.send_modify(|state| state.writing += took);
    }

    /// Takes in that a piece had a wrong hash.
    pub(crate) fn rejected(&mut self) {
        self.state
            .send_modify(|state| state.rejected_pieces = state.rejected_pieces.saturating_add(1));
    }

    /// Takes in that bytes were sent to a peer.
    pub(crate) fn served(&mut self, bytes: u64) {
        self.state.send_modify(|state| state.served_bytes += bytes);
    }

    /// Tells those who wait how it ended. A fetch ends once: what becomes of its artifact later is
    /// nothing to them.
    pub(crate) fn ended(&mut self, outcome: Result<(), Error>) {
        self.state.send_modify(|state| {
            state.outcome.get_or_insert(outcome);
        });
    }

    pub(crate) fn status(&self, rarity: Vec<u32>) -> ArtifactStatus {
        let state = self.state.borrow();
        ArtifactStatus {
            artifact: self.artifact(),
            transfer: state.transfer,
            served_bytes: state.served_bytes,
            complete: matches!(self.phase, Phase::Complete),
            rarity,
        }
    }

    fn note_elapsed(&mut self) {
        if self.have.is_full() {
            // Five hundred million years fit.
            let elapsed_ms = self.started.elapsed().as_millis() as u64;
            self.state
                .send_modify(|state| state.transfer.elapsed_ms = elapsed_ms.max(1));
        }
    }
}
