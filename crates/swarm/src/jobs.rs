//! Work that would hold up the event loop: hashing, files, and the region's store.

use crate::buffers::Buffer;
use crate::disk::Folder;
use crate::disk::layout::{Before, lay_out};
use crate::disk::reuse::reuse;
use crate::disk::verify::verify;
use crate::disk::write::{Written, seal, write_piece};
use crate::driver::STORE;
use crate::pacer::Pacer;
use crate::{Error, PieceSource};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use swarm_core::{Miss, Peer, PieceSet, TransferId};
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

/// How long the region's store may take for one piece: 8 MiB at 140 kB a second, as for peers.
const PULL_TIMEOUT: Duration = Duration::from_secs(60);

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
    /// A piece did not come from the region's store, and why; nothing where nobody waits for it any more.
    NotPulled { piece: u32, reason: Option<Miss> },
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

    /// Makes room in a folder, finds out what lies there, and takes from `donors` what lacks.
    pub(crate) fn prepare(
        &mut self,
        transfer: TransferId,
        folder: Folder,
        donors: Vec<Folder>,
        cancel: CancellationToken,
    ) {
        self.blocking(transfer, What::Verified, move || {
            let mut have = match lay_out(&folder, &cancel)? {
                Before::Nothing => PieceSet::empty(folder.manifest().piece_count()),
                Before::Something => verify(&folder, &cancel)?,
            };
            reuse(&folder, &donors, &mut have, &cancel)?;
            Ok(have)
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
        bytes: Buffer,
    ) {
        let work = write(folder, piece, peer, bytes);
        self.0.spawn(async move {
            Ended {
                transfer,
                what: work.await,
            }
        });
    }

    /// Reads a piece from the region's store once so many bytes may come, then verifies it and writes it to
    /// its place.
    pub(crate) fn pull(
        &mut self,
        transfer: TransferId,
        folder: Folder,
        piece: u32,
        (source, down): (Arc<dyn PieceSource>, Pacer),
        cancel: CancellationToken,
    ) {
        self.0.spawn(async move {
            let range = folder.manifest().piece_range(piece);
            let limited = async {
                // At most a piece, which fits.
                down.pass((range.end - range.start) as usize).await;
                tokio::time::timeout(PULL_TIMEOUT, source.read(piece, range)).await
            };
            let what = match cancel.run_until_cancelled(limited).await {
                Some(Ok(Ok(bytes))) => write(folder, piece, STORE, bytes).await,
                Some(Ok(Err(error))) => {
                    let artifact = folder.manifest().id().short();
                    tracing::info!(%artifact, piece, %error, "a piece could not be read from the region's store");
                    What::NotPulled {
                        piece,
                        reason: Some(miss_of(&error)),
                    }
                }
                Some(Err(_)) => What::NotPulled {
                    piece,
                    reason: Some(Miss::TimedOut),
                },
                None => What::NotPulled { piece, reason: None },
            };
            Ended { transfer, what }
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
            Ended {
                transfer,
                what: what(unblocked(work).await),
            }
        });
    }
}

/// Verifies a piece and writes it to its place, on a thread that may block.
async fn write(folder: Folder, piece: u32, peer: Peer, bytes: impl AsRef<[u8]> + Send + 'static) -> What {
    let length = bytes.as_ref().len() as u64;
    let write = move || {
        let began = Instant::now();
        Ok((write_piece(&folder, piece, bytes.as_ref())?, began.elapsed()))
    };
    let result = unblocked(write).await;
    What::Written {
        piece,
        peer,
        length,
        result,
    }
}

async fn unblocked<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a job of the swarm panicked");
        Err(Error::Stopped)
    })
}

fn miss_of(error: &io::Error) -> Miss {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::QuotaExceeded => Miss::Refused,
        io::ErrorKind::TimedOut => Miss::TimedOut,
        _ => Miss::Broken,
    }
}
