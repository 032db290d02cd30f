//! What stands before every handler: who asks, from which page, how long it may take, and what a browser
//! may do with the answer.

use crate::app::App;
use crate::pages;
use crate::refusal::Refusal;
use crate::wire::ErrorDetail;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// The cookie that carries a token after login.
pub(crate) const COOKIE: &str = "starling";
/// How long an answer may take to begin. Longer than the longest wait for a repository's fetch.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);

/// The same for what a worker asks of the store: a store may take a minute to complete an upload.
const PUBLISHING_TIMEOUT: Duration = Duration::from_secs(150);

/// Everything comes from this server itself: no inline script or style, no foreign frame or form.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // `no-referrer` would make browsers hide the origin of our own forms, which `same_origin` needs.
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Lets a request pass only with a token, in the `Authorization` header or in the cookie.
pub(crate) async fn authenticated(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let caller = secret(request.headers()).and_then(|secret| app.tokens.find(secret));
    match caller {
        Some(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        None if *request.method() == Method::GET && wants_page(request.uri(), request.headers()) => {
            pages::login::redirect(request.uri())
        }
        None => Refusal::Unauthenticated.into_response(),
    }
}

/// Tells whoever looks at a page what was refused in words; a program reads JSON.
pub(crate) async fn legible(request: Request, next: Next) -> Response {
    let wants_page = wants_page(request.uri(), request.headers());
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<ErrorDetail>() {
        Some(refusal) if wants_page => pages::refusal(response.status(), refusal),
        _ => response,
    }
}

/// Whether a person looks at a page: led to the login, where a program hears 401.
fn wants_page(uri: &Uri, headers: &HeaderMap) -> bool {
    let accepts_html = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/html"));
    !uri.path().starts_with("/v1/") && accepts_html
}

/// The secret that came with a request.
pub(crate) fn secret(headers: &HeaderMap) -> Option<&str> {
    match headers.get(header::AUTHORIZATION) {
        Some(value) => value.to_str().ok()?.strip_prefix("Bearer ").map(str::trim),
        None => cookie(headers),
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// Ends the wait for an answer that does not begin. A stream that has begun may go on.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    within(ANSWER_TIMEOUT, request, next).await
}

/// The same, later.
pub(crate) async fn in_longer_time(request: Request, next: Next) -> Response {
    within(PUBLISHING_TIMEOUT, request, next).await
}

async fn within(limit: Duration, request: Request, next: Next) -> Response {
    tokio::time::timeout(limit, next.run(request))
        .await
        .unwrap_or_else(|_| Refusal::TooSlow.into_response())
}

/// Tells the browser what this answer may do, and to keep nothing that a token opened.
pub(crate) async fn hardened(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_secret_is_found_in_the_header_or_in_our_cookie_among_others() {
        let cases = [
            (headers(&[(header::AUTHORIZATION, "Bearer abc")]), Some("abc")),
            (
                headers(&[(header::COOKIE, "x=1; starling=abc; y=2")]),
                Some("abc"),
            ),
            (
                headers(&[(header::COOKIE, "x=1"), (header::COOKIE, "starling=abc")]),
                Some("abc"),
            ),
            (headers(&[(header::COOKIE, "notstarling=abc")]), None),
            (headers(&[(header::AUTHORIZATION, "Basic abc")]), None),
            (headers(&[]), None),
        ];
        for (headers, expected) in cases {
            let headers: HeaderMap = headers;
            assert_eq!(secret(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_wrong_header_is_not_mended_by_a_cookie() {
        let both = headers(&[
            (header::AUTHORIZATION, "Basic x"),
            (header::COOKIE, "starling=abc"),
        ]);
        assert_eq!(secret(&both), None);
    }
}
