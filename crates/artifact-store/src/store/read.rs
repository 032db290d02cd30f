//! Reading ranges of content.

use super::{ContentKey, Error, Store};
use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use std::ops::Range;
use std::time::Duration;

/// The most that one read returns, in bytes: it is held in memory as a whole.
pub const READ_LENGTH_MAX: u64 = super::PART_LENGTH;

/// How often a read is tried whose answer broke off; the client itself retries only what failed before.
const TRIES_MAX: usize = 3;
/// One try, from the request to the last byte.
const TRY_TIMEOUT: Duration = Duration::from_secs(150);

impl Store {
    /// Reads a range of an artifact's content.
    ///
    /// # Errors
    /// Refuses more than [`READ_LENGTH_MAX`]; fails when the store does, or when it has fewer bytes than
    /// the range, after a bounded number of tries.
    pub async fn read(&self, key: &ContentKey, range: Range<u64>) -> Result<Bytes, Error> {
        let length = range.end.saturating_sub(range.start);
        if length > READ_LENGTH_MAX {
            return Err(Error::ReadTooLong(length));
        }
        let mut bytes = vec![0; length as usize];
        self.read_into(&key.object(), range.start, &mut bytes).await?;
        Ok(Bytes::from(bytes))
    }

    /// Fills a buffer with the bytes of an object from `start` on.
    pub(super) async fn read_into(&self, key: &str, start: u64, target: &mut [u8]) -> Result<(), Error> {
        if target.is_empty() {
            return Ok(());
        }
        let limits = ExponentialBuilder::default()
            .with_jitter()
            .with_max_times(TRIES_MAX - 1);
        let mut backoff = limits.build();
        loop {
            match self.read_once(key, start, target).await {
                Err(error @ Error::Short { .. }) => {
                    let Some(pause) = backoff.next() else {
                        return Err(error);
                    };
                    tracing::warn!(store.key = key, ?pause, %error, "a read from the store broke off, trying again");
                    tokio::time::sleep(pause).await;
                }
                done => return done,
            }
        }
    }

    async fn read_once(&self, key: &str, start: u64, target: &mut [u8]) -> Result<(), Error> {
        let expected = target.len() as u64;
        let last = start + expected - 1;
        let request = self.client.get_object().bucket(&self.config.bucket).key(key);
        let answer = request.range(format!("bytes={start}-{last}")).send().await;
        let mut body = answer
            .map_err(|error| Error::request("read", &self.config.bucket, key, error))?
            .body;
        let mut found = 0;
        let collect = async {
            while found < target.len() {
                match body.next().await {
                    Some(Ok(chunk)) => {
                        let taken = chunk.len().min(target.len() - found);
                        target[found..][..taken].copy_from_slice(&chunk[..taken]);
                        found += taken;
                    }
                    Some(Err(error)) => return tracing::debug!(store.key = key, %error, "a read broke off"),
                    None => return,
                }
            }
        };
        let in_time = tokio::time::timeout(TRY_TIMEOUT, collect).await.is_ok();
        if in_time && found as u64 == expected {
            return Ok(());
        }
        Err(Error::Short {
            key: key.to_owned(),
            expected,
            found: found as u64,
        })
    }
}
