//! Reading pieces from the region's store, at an address that the manager signed.

use bytes::{Bytes, BytesMut};
use model::host::{STORE_ADDRESS_LENGTH_MAX, SecretAddress, StoreOffer};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};
use swarm::PieceSource;

/// How long a connection may take to stand.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long the store may send nothing. The swarm limits how long a whole piece may take.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// Connections that are kept open between two pieces; as many pieces of a share are read at a time.
const IDLE_CONNECTIONS_MAX: usize = 4;

/// A client for [`StorePieces`]. It follows no redirect, which could lead anywhere, and knows no proxy: the store
/// is the region's own.
///
/// # Errors
/// If the system's TLS certificates can't be used.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .connect_timeout(CONNECT_LIMIT)
        .read_timeout(SILENCE_LIMIT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .redirect(Policy::none())
        .no_proxy()
        .build()
}

/// One artifact in the region's store. What it reads is verified by the swarm.
#[derive(Debug)]
pub(crate) struct StorePieces {
    client: Client,
    address: SecretAddress,
    good_until: Instant,
}

impl StorePieces {
    /// What an offer that was just heard opens; `None` where its address can't be one.
    pub(crate) fn new(client: Client, offer: &StoreOffer) -> Option<Self> {
        let fits = offer.address.expose().len() <= STORE_ADDRESS_LENGTH_MAX;
        fits.then(|| Self {
            client,
            address: offer.address.clone(),
            good_until: Instant::now() + Duration::from_secs(offer.valid_for_seconds.into()),
        })
    }

    async fn get(&self, range: &Range<u64>) -> io::Result<Bytes> {
        if Instant::now() >= self.good_until {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the address has expired; a manager has to sign a new one",
            ));
        }
        let wanted = format!("bytes={}-{}", range.start, range.end - 1);
        let request = self.client.get(self.address.expose()).header(RANGE, wanted);
        let answer = request.send().await.map_err(failed)?;
        check(&answer, range)?;
        collect(answer, range.end - range.start).await
    }
}

#[async_trait::async_trait]
impl PieceSource for StorePieces {
    async fn read(&self, _piece: u32, range: Range<u64>) -> io::Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        self.get(&range).await
    }
}

/// Whether an answer is this range of the object, and nothing else.
fn check(answer: &Response, range: &Range<u64>) -> io::Result<()> {
    match answer.status() {
        StatusCode::PARTIAL_CONTENT => {}
        status @ (StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED) => {
            let reason = format!("the store refuses the address ({status})");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        status => return Err(io::Error::other(format!("the store answered {status}"))),
    }
    let stated = answer.headers().get(CONTENT_RANGE);
    let stated = stated.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let expected = format!("bytes {}-{}/", range.start, range.end - 1);
    let length = range.end - range.start;
    if !stated.starts_with(&expected) || answer.content_length().is_some_and(|found| found != length) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the store answered with another range than it was asked for",
        ));
    }
    Ok(())
}

/// Takes in exactly so many bytes, and not one more.
async fn collect(mut answer: Response, length: u64) -> io::Result<Bytes> {
    // A piece, at most 8 MiB.
    let mut bytes = BytesMut::with_capacity(length as usize);
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if (bytes.len() + chunk.len()) as u64 > length {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the store sent more than it was asked for",
            ));
        }
        bytes.extend_from_slice(&chunk);
    }
    if (bytes.len() as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes.freeze())
}

/// Wraps an error of the client without the address, which is a secret.
fn failed(error: reqwest::Error) -> io::Error {
    let kind = if error.is_timeout() {
        io::ErrorKind::TimedOut
    } else {
        io::ErrorKind::Other
    };
    io::Error::new(kind, error.without_url())
}

#[cfg(test)]
mod tests;
