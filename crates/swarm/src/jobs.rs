//! Work that would hold up the event loop: hashing and files.

use crate::Error;
use crate::disk::Folder;
use crate::disk::layout::{Before, lay_out};
use crate::disk::verify::verify;
use crate::disk::write::{Written, seal, write_piece};
use std::time::{Duration, Instant};
use swarm_core::{Peer, PieceSet, TransferId};
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

/// A job that has ended, and for which transfer it ran.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) transfer: TransferId,
    pub(crate) what: What,
}

/// What a job found out.
#[derive(Debug)]
pub(crate) enum What {
    /// Which pieces lie in a folder.
    Verified(Result<PieceSet, Error>),
    /// Whether a piece that came was right and is in place, and how long it took to find out and to write it.
    Written {
        piece: u32,
        peer: Peer,
        length: u64,
        result: Result<(Written, Duration), Error>,
    },
    /// Whether a whole artifact is flushed to the disk.
    Sealed(Result<(), Error>),
}

/// The jobs that run. Their number is bounded by the transfers and by the rules' limits on pieces in
/// flight.
#[derive(Debug, Default)]
pub(crate) struct Jobs(JoinSet<Ended>);

impl Jobs {
    /// The next job that ends; never, while none runs.
    pub(crate) async fn next(&mut self) -> Ended {
        loop {
            match self.0.join_next().await {
                Some(Ok(ended)) => return ended,
                // A job only awaits blocking work, whose panic it reports itself.
                Some(Err(error)) => tracing::error!(%error, "a job of the swarm was lost"),
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until every job has ended.
    pub(crate) async fn drain(mut self) {
        while self.0.join_next().await.is_some() {}
    }

    /// Makes room in a folder and finds out what lies there.
    pub(crate) fn prepare(&mut self, transfer: TransferId, folder: Folder, cancel: CancellationToken) {
        self.blocking(transfer, What::Verified, move || {
            match lay_out(&folder, &cancel)? {
                Before::Nothing => Ok(PieceSet::empty(folder.manifest().piece_count())),
                Before::Something => verify(&folder, &cancel),
            }
        });
    }

    /// Finds out what lies in a folder, and changes nothing there.
    pub(crate) fn check(&mut self, transfer: TransferId, folder: Folder, cancel: CancellationToken) {
        self.blocking(transfer, What::Verified, move || verify(&folder, &cancel));
    }

    /// Verifies a piece and writes it to its place.
    pub(crate) fn write(
        &mut self,
        transfer: TransferId,
        folder: Folder,
        piece: u32,
        peer: Peer,
        bytes: Vec<u8>,
    ) {
        let length = bytes.len() as u64;
        let what = move |result| What::Written {
            piece,
            peer,
            length,
            result,
        };
        self.blocking(transfer, what, move || {
            let began = Instant::now();
            Ok((write_piece(&folder, piece, &bytes)?, began.elapsed()))
        });
    }

    /// Flushes a whole artifact to the disk.
    pub(crate) fn seal(&mut self, transfer: TransferId, folder: Folder) {
        self.blocking(transfer, What::Sealed, move || seal(&folder));
    }

    fn blocking<T: Send + 'static>(
        &mut self,
        transfer: TransferId,
        what: impl FnOnce(Result<T, Error>) -> What + Send + 'static,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) {
        self.0.spawn(async move {
            let result = spawn_blocking(work).await.unwrap_or_else(|error| {
                tracing::error!(%error, "a job of the swarm panicked");
                Err(Error::Stopped)
            });
            Ended {
                transfer,
                what: what(result),
            }
        });
    }
}
