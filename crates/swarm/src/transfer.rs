//! One artifact that is fetched or served.

use crate::disk::Folder;
use crate::status::ArtifactStatus;
use crate::{Error, FetchState, PieceSource, Role};
use artifact::VerifiedManifest;
use model::ArtifactId;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use swarm_core::{Piece, PieceSet, TransferId};
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

/// The region's object store, as far as one artifact may be read from it.
pub(crate) struct Store {
    pub(crate) source: Arc<dyn PieceSource>,
    /// The pieces that this host is to read, which no other host is.
    pub(crate) share: PieceSet,
    /// The pieces that are being read, and what ends that early. The rules limit how many.
    pub(crate) pulls: HashMap<Piece, CancellationToken>,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Store")
            .field("share", &self.share.held())
            .field("pulls", &self.pulls.len())
            .finish_non_exhaustive()
    }
}

/// Where a verified piece came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A manager.
    Seed,
    /// Another host.
    Peer,
    /// The region's object store.
    Store,
}

impl Origin {
    pub(crate) fn of_role(role: Role) -> Self {
        match role {
            Role::Manager => Self::Seed,
            Role::Host => Self::Peer,
        }
    }

    /// How metrics name it.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Peer => "peer",
            Self::Store => "store",
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
    /// Where the region's store holds it, if that was said.
    pub(crate) store: Option<Store>,
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
            store: None,
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
    pub(crate) fn stored(&mut self, piece: u32, origin: Origin) -> bool {
        let length = self.piece_length(piece);
        if !self.have.insert(piece) {
            self.wasted(length);
            return false;
        }
        self.state.send_modify(|state| match origin {
            Origin::Seed => state.transfer.seed_bytes += length,
            Origin::Peer => state.transfer.peer_bytes += length,
            Origin::Store => state.transfer.store_bytes += length,
        });
        self.note_elapsed();
        true
    }

    /// Forgets that a piece is read from the store; what would end that early.
    pub(crate) fn pull_ended(&mut self, piece: Piece) -> Option<CancellationToken> {
        self.store.as_mut()?.pulls.remove(&piece)
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
