//! The API's side of enrolment, over HTTP.

use crate::Error;
use model::refusal::ErrorBody;
use reqwest::StatusCode;
use serde::Serialize;
use std::time::Duration;
use swarm::{Certificate, EnrolmentRequest, Issued, RenewalRequest};

/// How long the API may take over one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// The longest answer that is read, in bytes.
const ANSWER_LENGTH_MAX: usize = 64 * 1024;

/// Why the API gave no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No connection, or no answer in time.
    #[error("the API cannot be reached")]
    Unreachable(#[source] reqwest::Error),
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
    /// It is busy or broken.
    #[error("the API answered {0}")]
    Unwell(StatusCode),
    /// It said something else than a certificate.
    #[error("the API's answer could not be understood")]
    Malformed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The node's own key failed.
    #[error("this node could not sign its request")]
    Key(#[from] swarm::Error),
}

impl Failure {
    /// Whether the same may succeed later without anybody making another token.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Unwell(_) => true,
            // A machine that has just started may not have asked for the time yet.
            Self::Refused { code, .. } => code == "clock_off",
            Self::Malformed(_) | Self::Key(_) => false,
        }
    }
}

/// The API that enrols nodes.
#[derive(Debug)]
pub(crate) struct Api {
    http: reqwest::Client,
    url: String,
}

impl Api {
    pub(crate) fn new(address: &str) -> Result<Self, Error> {
        let http = reqwest::Client::builder().timeout(ANSWER_LIMIT).build();
        Ok(Self {
            http: http.map_err(Error::Client)?,
            url: format!("{}/v1/enrolments", address.trim_end_matches('/')),
        })
    }

    pub(crate) async fn enrol(&self, request: &EnrolmentRequest) -> Result<Certificate, Failure> {
        self.ask(&self.url, request).await
    }

    pub(crate) async fn renew(&self, request: &RenewalRequest) -> Result<Certificate, Failure> {
        self.ask(&format!("{}/renew", self.url), request).await
    }

    async fn ask(&self, url: &str, request: &impl Serialize) -> Result<Certificate, Failure> {
        let sent = self.http.post(url).json(request).send().await;
        let mut answer = sent.map_err(Failure::Unreachable)?;
        let status = answer.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Failure::Unwell(status));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(Failure::Unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_LENGTH_MAX {
                return Err(Failure::Malformed("it is too long".into()));
            }
        }
        if status.is_success() {
            let issued: Issued = parse(&body)?;
            return Ok(issued.certificate);
        }
        let ErrorBody { error } = parse(&body)?;
        Err(Failure::Refused {
            code: error.code,
            message: error.message,
            next: error.next,
        })
    }
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::Malformed(error.into()))
}
