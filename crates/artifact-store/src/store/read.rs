//! Reading ranges of content.

use super::{ContentKey, Error, Store};
use backon::{ExponentialBuilder, Retryable};
use bytes::{Bytes, BytesMut};
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
        self.read_object(&key.object(), range).await
    }

    pub(super) async fn read_object(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let length = range.end.saturating_sub(range.start);
        if length > READ_LENGTH_MAX {
            return Err(Error::ReadTooLong(length));
        }
        if length == 0 {
            return Ok(Bytes::new());
        }
        let backoff = ExponentialBuilder::default()
            .with_jitter()
            .with_max_times(TRIES_MAX - 1);
        let broke_off = |error: &Error| matches!(error, Error::Short { .. });
        let try_once = || self.read_once(key, range.start, length);
        try_once
            .retry(backoff)
            .when(broke_off)
            .notify(|error, wait| {
                tracing::warn!(store.key = key, ?wait, %error, "a read from the store broke off, trying again");
            })
            .await
    }

    async fn read_once(&self, key: &str, start: u64, length: u64) -> Result<Bytes, Error> {
        let last = start + length - 1;
        let request = self.client.get_object().bucket(&self.config.bucket).key(key);
        let answer = request.range(format!("bytes={start}-{last}")).send().await;
        let mut body = answer
            .map_err(|error| Error::request("read", &self.config.bucket, key, error))?
            .body;
        // A read is at most READ_LENGTH_MAX, which fits a usize.
        let mut bytes = BytesMut::with_capacity(length as usize);
        let collect = async {
            while bytes.len() < length as usize {
                match body.next().await {
                    Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
                    Some(Err(error)) => return tracing::debug!(store.key = key, %error, "a read broke off"),
                    None => return,
                }
            }
        };
        let in_time = tokio::time::timeout(TRY_TIMEOUT, collect).await.is_ok();
        let found = bytes.len() as u64;
        if in_time && found == length {
            return Ok(bytes.freeze());
        }
        Err(Error::Short {
            key: key.to_owned(),
            expected: length,
            found,
        })
    }
}
