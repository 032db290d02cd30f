//! A fetch, as whoever asked for it sees it.

use crate::Error;
use model::instance::Transfer;
use std::time::Duration;
use tokio::sync::watch;

/// A fetch under way. Dropping it changes nothing; the fetch goes on.
#[derive(Debug, Clone)]
pub struct Fetch {
    pub(crate) state: watch::Receiver<FetchState>,
}

/// How far a fetch has come.
#[derive(Debug, Clone, Default)]
pub struct FetchState {
    /// Verified bytes by where they came from.
    pub transfer: Transfer,
    /// Whether what lies in the folder is still being verified, before anything is fetched.
    pub verifying: bool,
    /// Bytes that were sent to other peers meanwhile.
    pub served_bytes: u64,
    /// Pieces that came with a wrong hash.
    pub rejected_pieces: u32,
    /// The time that pieces took to be checked and written, summed; pieces that are written at the same
    /// time count each.
    pub writing: Duration,
    /// How it ended, once it has.
    pub outcome: Option<Result<(), Error>>,
}

impl Fetch {
    /// How far it has come now.
    pub fn progress(&self) -> Transfer {
        self.state.borrow().transfer
    }

    /// For those who want to hear of every change.
    pub fn watch(&self) -> watch::Receiver<FetchState> {
        self.state.clone()
    }

    /// Waits until every byte is verified, in place, flushed to the disk, and executable files are
    /// executable.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFull`] or [`Error::Disk`] if the folder cannot take the bytes, and
    /// [`Error::Forgotten`] or [`Error::Stopped`] if nobody fetches any more. A peer's fault is never
    /// an error: the fetch waits for better peers.
    pub async fn done(mut self) -> Result<Transfer, Error> {
        let ended = self
            .state
            .wait_for(|state| state.outcome.is_some())
            .await
            .map_err(|_| Error::Stopped)?;
        match &ended.outcome {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(ended.transfer),
        }
    }
}
