//! The API, over HTTP.

use artifact::{MANIFEST_LENGTH_MAX, Manifest};
use artifact_store::publishing::{Publication, Published};
use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use model::refusal::ErrorBody;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;

/// How long a connection may take to stand.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long the API may take over one answer; it gives up by itself a little earlier.
const ANSWER_LIMIT: Duration = Duration::from_secs(170);
/// The longest answer that is read, in bytes: a manifest is the longest by far.
const ANSWER_LENGTH_MAX: usize = MANIFEST_LENGTH_MAX;
/// For so long an API that is away is asked again, about; an attempt is told to stop before that if it has to.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
const TRIES_MAX: usize = 60;

/// Why the API did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No connection, or no answer in time.
    #[error("the API cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// It, the database or the store behind it is busy or away.
    #[error("the API answered {status}: {message}")]
    Unwell {
        /// The status.
        status: StatusCode,
        /// What it says, if it does.
        message: String,
    },
    /// It said no.
    #[error("{message} ({next})")]
    Refused {
        /// The word for programs.
        code: String,
        /// What is wrong.
        message: String,
        /// What to do next.
        next: String,
    },
    /// It said something else than was asked for.
    #[error("the API's answer could not be understood")]
    Malformed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    /// Whether the API's word for it is this.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unwell { .. })
    }
}

/// The API that publishes for workers. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct PublishingApi {
    http: Client,
    address: String,
    authorization: HeaderValue,
}

impl fmt::Debug for PublishingApi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PublishingApi")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Why there is no client of the API.
#[derive(Debug, thiserror::Error)]
pub enum InvalidApi {
    /// A token that no header can hold.
    #[error("the API's token is not one line of plain text")]
    Token,
    /// The system's TLS certificates can't be used.
    #[error("failed to prepare for the API")]
    Client(#[source] reqwest::Error),
}

impl PublishingApi {
    /// Makes a client of the API at an address such as `https://starling.example`; sends nothing yet. The token's role is
    /// `worker`. The process must have chosen its provider of cryptography.
    ///
    /// # Errors
    /// See [`InvalidApi`].
    pub fn new(address: &str, token: &SecretString) -> Result<Self, InvalidApi> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|_| InvalidApi::Token)?;
        authorization.set_sensitive(true);
        let http = Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .timeout(ANSWER_LIMIT)
            .build();
        Ok(Self {
            http: http.map_err(InvalidApi::Client)?,
            address: format!("{}/v1", address.trim_end_matches('/')),
            authorization,
        })
    }

    /// Sends JSON, and reads JSON.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let answer = self.post(path, "application/json", encoded(body)?).await?;
        serde_json::from_slice(&answer).map_err(|error| Failure::Malformed(error.into()))
    }

    /// Sends JSON, and reads that it was done.
    pub(super) async fn tell(&self, path: &str, body: &impl Serialize) -> Result<(), Failure> {
        self.post(path, "application/json", encoded(body)?)
            .await
            .map(drop)
    }

    pub(super) async fn publish(&self, path: &str, publication: &Publication) -> Result<Published, Failure> {
        let body = Bytes::from(publication.encode());
        let answer = self.post(path, "application/octet-stream", body).await?;
        serde_json::from_slice(&answer).map_err(|error| Failure::Malformed(error.into()))
    }

    pub(super) async fn manifest(&self, path: &str) -> Result<Manifest, Failure> {
        let answer = self.patiently(|| self.send(Method::GET, path, None)).await?;
        Manifest::decode(&answer).map_err(|error| Failure::Malformed(error.into()))
    }

    async fn post(&self, path: &str, kind: &'static str, body: Bytes) -> Result<Vec<u8>, Failure> {
        self.patiently(|| self.send(Method::POST, path, Some((kind, body.clone()))))
            .await
    }

    /// Asks again while the API is away: each request may be repeated.
    async fn patiently<F>(&self, send: impl FnMut() -> F) -> Result<Vec<u8>, Failure>
    where
        F: Future<Output = Result<Vec<u8>, Failure>>,
    {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(PAUSE_MIN)
            .with_max_delay(PAUSE_MAX)
            .with_max_times(TRIES_MAX)
            .with_jitter();
        send.retry(pauses)
            .when(Failure::may_pass)
            .notify(|failure, pause| {
                let error = failure as &dyn std::error::Error;
                tracing::warn!(error, ?pause, "failed to ask the API; trying again");
            })
            .await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Vec<u8>, Failure> {
        let request = self
            .http
            .request(method, format!("{}/{path}", self.address))
            .header(reqwest::header::AUTHORIZATION, self.authorization.clone());
        let request = match body {
            Some((kind, body)) => request.header(CONTENT_TYPE, kind).body(body),
            None => request,
        };
        let mut answer = request.send().await.map_err(Failure::Unreachable)?;
        let status = answer.status();
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(Failure::Unreachable)? {
            text.extend_from_slice(&chunk);
            if text.len() > ANSWER_LENGTH_MAX {
                return Err(Failure::Malformed("it is too long".into()));
            }
        }
        if status.is_success() {
            return Ok(text);
        }
        Err(refused(status, &text))
    }
}

fn encoded(body: &impl Serialize) -> Result<Bytes, Failure> {
    let body = serde_json::to_vec(body).map_err(|error| Failure::Malformed(error.into()))?;
    Ok(body.into())
}

/// What an answer means that is no yes.
fn refused(status: StatusCode, text: &[u8]) -> Failure {
    let said = serde_json::from_slice::<ErrorBody>(text);
    let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    match said {
        Ok(ErrorBody { error }) if !passes => Failure::Refused {
            code: error.code,
            message: error.message,
            next: error.next,
        },
        said => Failure::Unwell {
            status,
            message: said.map_or_else(|_| "no reason".to_owned(), |said| said.error.message),
        },
    }
}
