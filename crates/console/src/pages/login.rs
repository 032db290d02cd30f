//! Logging in with a token, which then lives in a cookie that no script can read.

use super::frame;
use crate::app::App;
use crate::assets;
use crate::extract::{Form, Query};
use crate::guard::COOKIE;
use crate::refusal::Refusal;
use crate::token::Role;
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

/// How long a login lasts, in seconds.
const COOKIE_SECONDS: u32 = 30 * 24 * 3600;
/// The longest address to return to.
const NEXT_LENGTH_MAX: usize = 512;

#[derive(Template)]
#[template(path = "login.html")]
struct Page {
    next: String,
    wrong: bool,
}

/// `?token=` logs in at once, as the line that `starling dev` prints does.
#[derive(Debug, Deserialize)]
pub(crate) struct Arrival {
    token: Option<String>,
    #[serde(default)]
    next: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Credentials {
    token: String,
    #[serde(default)]
    next: String,
}

/// `GET /login`.
pub(crate) async fn page(State(app): State<App>, Query(arrival): Query<Arrival>) -> Response {
    match arrival.token {
        Some(token) => admit(&app, &token, &arrival.next),
        None => show(StatusCode::OK, &arrival.next, false),
    }
}

/// `POST /login`.
pub(crate) async fn log_in(State(app): State<App>, Form(credentials): Form<Credentials>) -> Response {
    admit(&app, credentials.token.trim(), &credentials.next)
}

/// `POST /logout`.
pub(crate) async fn log_out(State(app): State<App>) -> Response {
    with_cookie(&app, "", 0, Redirect::to("/login"))
}

/// Leads to the login and from there back.
pub(crate) fn redirect(uri: &Uri) -> Response {
    let back = uri.path();
    let next = if back == "/" {
        String::new()
    } else {
        format!("?next={}", encoded(back))
    };
    Redirect::to(&format!("/login{next}")).into_response()
}

fn admit(app: &App, token: &str, next: &str) -> Response {
    match app.tokens.find(token) {
        // A region's token opens no page.
        Some(caller) if caller.role == Role::Engineer => {
            with_cookie(app, token, COOKIE_SECONDS, Redirect::to(local(next)))
        }
        _ => show(StatusCode::UNAUTHORIZED, next, true),
    }
}

fn show(status: StatusCode, next: &str, wrong: bool) -> Response {
    let page = Page {
        next: local(next).to_owned(),
        wrong,
    };
    frame::html(status, &page)
}

fn with_cookie(app: &App, token: &str, seconds: u32, answer: Redirect) -> Response {
    let secure = if app.secure_cookie { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    match HeaderValue::from_str(&cookie) {
        Ok(value) => ([(header::SET_COOKIE, value)], answer).into_response(),
        // A token that no header can hold was never one of ours.
        Err(_) => Refusal::Unauthenticated.into_response(),
    }
}

/// An address on this server, whatever was asked for: never `//elsewhere` or `https://elsewhere`.
fn local(next: &str) -> &str {
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let inside = next.starts_with('/') && !next.starts_with("//");
    if plain && inside && next.len() <= NEXT_LENGTH_MAX {
        next
    } else {
        "/"
    }
}

/// A path for use in a query.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_never_leads_to_another_server() {
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil",
            "x",
            "/a\r\nb: c",
        ] {
            assert_eq!(local(bad), "/", "{bad:?}");
        }
        assert_eq!(local("/builds/1?log=all"), "/builds/1?log=all");
    }
}
