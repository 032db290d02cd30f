//! Requests that the proxy itself answers.

use crate::body::Body;
use crate::route::Refusal;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

/// How long clients of a paused or full service are told to wait, in seconds.
const RETRY_AFTER_SECONDS: u64 = 1;
/// The same in maintenance, which takes longer.
const MAINTENANCE_SECONDS: u64 = 30;

/// Why a request gets no answer of a target.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The route says no.
    Route(Refusal),
    /// What was asked is nothing that a proxy of services does.
    Method,
    /// No target could be reached, or the one that was broke off.
    Unreachable,
    /// The target took too long to begin its response.
    Slow,
}

impl Refused {
    /// What the client is told. Nothing of the inside is said.
    pub(crate) fn response(&self) -> Response<Body> {
        let (status, text, retry_after) = match self {
            Self::Route(Refusal::Maintenance) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the service is being maintained\n",
                Some(MAINTENANCE_SECONDS),
            ),
            Self::Route(Refusal::HeldMax | Refusal::HeldTooLong) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the service is paused\n",
                Some(RETRY_AFTER_SECONDS),
            ),
            Self::Route(Refusal::InFlightMax) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the service has too many requests\n",
                Some(RETRY_AFTER_SECONDS),
            ),
            Self::Method => (StatusCode::NOT_IMPLEMENTED, "this method is not served\n", None),
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "the service did not answer\n", None),
            Self::Slow => (StatusCode::GATEWAY_TIMEOUT, "the service took too long\n", None),
        };
        let mut response = Response::new(Body::text(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
