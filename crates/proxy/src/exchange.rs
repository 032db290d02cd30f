//! One request and its response.

use crate::body::{Body, Outgoing};
use crate::claim::Claim;
use crate::frontend::Frontend;
use crate::headers;
use crate::lane::Lane;
use crate::pool::Lent;
use crate::refusal::Refused;
use crate::tunnel::Tunnel;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, HeaderValue, SET_COOKIE};
use hyper::http::request;
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a request is sent. Each time claims anew, so that after a swap it goes to the new target.
const TRIES_MAX: u32 = 4;
/// Before a target that refused a connection is tried again, unless another one is pointed at meanwhile.
const RETRY_DELAY: Duration = Duration::from_millis(50);

/// Answers a client's request with a target's response, or with the reason why there is none.
pub(crate) async fn answer(
    frontend: &Arc<Frontend>,
    lane: &Arc<Lane>,
    client: IpAddr,
    request: Request<Incoming>,
) -> Response<Body> {
    let http1 = request.version() <= Version::HTTP_11;
    let mut response = match exchange(frontend, lane, client, request).await {
        Ok(response) => response,
        Err(refused) => refused.response(),
    };
    // HTTP/2 says it for the whole connection.
    if http1 && lane.is_closing() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

async fn exchange(
    frontend: &Arc<Frontend>,
    lane: &Arc<Lane>,
    client: IpAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    if request.method() == Method::CONNECT {
        return Err(Refused::Method);
    }
    let asked_at = lane.sample();
    let upgraded = request.headers().contains_key(hyper::header::UPGRADE);
    let upgraded = upgraded.then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    let protocol = headers::upgrade(&head);
    headers::for_target(&mut head, client, protocol.as_ref());
    let request = Request::from_parts(head, Outgoing(Some(body)));

    let (claim, lent, response) = send(frontend, lane, request, asked_at).await?;
    finish(lane, claim, lent, response, upgraded).await
}

/// A request that may be sent once more, though a part of it was sent already.
fn repeatable(request: &Request<Outgoing>) -> Option<request::Parts> {
    let repeatable = request.method().is_idempotent() && request.body().is_end_stream();
    repeatable.then(|| {
        let mut copy = Request::new(());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        copy.into_parts().0
    })
}

/// Claims a target and a connection to it. Where there is none, the next target is waited for a little: nothing was sent
/// yet, so nothing is lost.
async fn reach(
    frontend: &Arc<Frontend>,
    lane: &Arc<Lane>,
    headers: &HeaderMap,
    fresh: bool,
) -> Result<(Claim, Lent), Refused> {
    let connect_max = lane.limits().connect_max;
    let mut waits_until = None;
    loop {
        let claim = frontend.claim(headers).await?;
        let lending = lane
            .pool()
            .lend(claim.target(), claim.protocol(), fresh, connect_max);
        let error = match lending.await {
            Ok(lent) => return Ok((claim, lent)),
            Err(error) => error,
        };
        let now = Instant::now();
        if *waits_until.get_or_insert(now + connect_max) <= now {
            tracing::warn!(service = %frontend.service(), target = claim.target().port, %error, "a target can't be reached");
            frontend.route().failed();
            return Err(Refused::Unreachable);
        }
        drop(claim);
        frontend.changed_within(RETRY_DELAY).await;
    }
}

async fn send(
    frontend: &Arc<Frontend>,
    lane: &Arc<Lane>,
    request: Request<Outgoing>,
    asked_at: Option<Instant>,
) -> Result<(Claim, Lent, Response<Incoming>), Refused> {
    let copy = repeatable(&request);
    let (mut head, mut body) = request.into_parts();
    for tried in 0..TRIES_MAX {
        let (claim, mut lent) = reach(frontend, lane, &head.headers, tried > 0).await?;
        headers::address(&mut head, claim.protocol());
        lane.note_added(asked_at);
        let sending = lent.send(Request::from_parts(head, body));
        let Ok(sent) = tokio::time::timeout(lane.limits().answer_max, sending).await else {
            frontend.route().failed();
            return Err(Refused::Slow);
        };
        let mut error = match sent {
            Ok(response) => return Ok((claim, lent, response)),
            Err(error) => error,
        };
        let unsent = error.take_message();
        tracing::debug!(
            service = %frontend.service(),
            target = claim.target().port,
            unsent = unsent.is_some(),
            error = %error.error(),
            "a target broke off"
        );
        (head, body) = match (unsent, &copy) {
            (Some(unsent), _) => unsent.into_parts(),
            (None, Some(copy)) => (copy.clone(), Outgoing(None)),
            (None, None) => break,
        };
    }
    frontend.route().failed();
    Err(Refused::Unreachable)
}

async fn finish(
    lane: &Arc<Lane>,
    mut claim: Claim,
    lent: Lent,
    mut response: Response<Incoming>,
    upgraded: Option<OnUpgrade>,
) -> Result<Response<Body>, Refused> {
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let cookie = claim.take_cookie();
    let there = switched.then(|| hyper::upgrade::on(&mut response));
    let (mut head, incoming) = response.into_parts();
    headers::for_client(&mut head.headers, switched);
    head.version = Version::default();
    if let Some(cookie) = cookie {
        head.headers.append(SET_COOKIE, cookie);
    }
    match (there, upgraded) {
        (None, _) => {
            let body = Body::target(incoming, claim, lent, lane.pool().clone());
            Ok(Response::from_parts(head, body))
        }
        (Some(there), Some(here)) => {
            lane.tunnel(Tunnel::new(here, there, claim.into_tunnel()));
            Ok(Response::from_parts(head, Body::Text(None)))
        }
        // A target that switches to what nobody asked for breaks the protocol.
        (Some(_), None) => Err(Refused::Unreachable),
    }
}
