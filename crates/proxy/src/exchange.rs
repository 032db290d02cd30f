//! One request and its response.

use crate::body::{Body, Outgoing};
use crate::claim::Claim;
use crate::frontend::Frontend;
use crate::headers::{self, Client};
use crate::lane::Lane;
use crate::refusal::Refused;
use crate::target::{self, Lent, Source, Unanswered};
use crate::tunnel::Tunnel;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, HeaderValue, SET_COOKIE};
use hyper::http::{request, response};
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version};
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
    client: &Client,
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
    client: &Client,
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
    let (claim, answer, source) = send(frontend, lane, &head, Outgoing(Some(body)), asked_at).await?;
    finish(lane, claim, answer, source, upgraded)
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
        let mut claim = frontend.claim(headers).await?;
        let lending = lane
            .pool()
            .lend(claim.target(), claim.protocol(), fresh, connect_max);
        let error = match lending.await {
            Ok(lent) => return Ok((claim, lent)),
            Err(error) => error,
        };
        claim.fail();
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
    head: &request::Parts,
    mut body: Outgoing,
    asked_at: Option<Instant>,
) -> Result<(Claim, response::Parts, Source), Refused> {
    // It may be sent once more, though a part of it was sent already.
    let repeatable = head.method.is_idempotent() && body.is_end_stream();
    for tried in 0..TRIES_MAX {
        let (mut claim, lent) = reach(frontend, lane, &head.headers, tried > 0).await?;
        lane.note_added(asked_at);
        let Unanswered { error, unsent } = match lent.ask(head, body, lane.limits().answer_max).await {
            Ok((answer, source)) => return Ok((claim, answer, source)),
            Err(unanswered) => unanswered,
        };
        // That a kept connection ends as it is used says nothing of its target; the next one is fresh.
        let slow = matches!(error, target::Error::Slow);
        if slow || (unsent.is_none() && (tried > 0 || !repeatable)) {
            claim.fail();
        }
        if slow {
            frontend.route().failed();
            return Err(Refused::Slow);
        }
        tracing::debug!(
            service = %frontend.service(),
            target = claim.target().port,
            unsent = unsent.is_some(),
            error = &error as &dyn std::error::Error,
            "a target broke off"
        );
        body = match unsent {
            Some(unsent) => unsent,
            None if repeatable => Outgoing(None),
            None => break,
        };
    }
    frontend.route().failed();
    Err(Refused::Unreachable)
}

fn finish(
    lane: &Arc<Lane>,
    mut claim: Claim,
    mut head: response::Parts,
    source: Source,
    upgraded: Option<OnUpgrade>,
) -> Result<Response<Body>, Refused> {
    if head.status.is_server_error() {
        claim.fail();
    }
    let switched = head.status == StatusCode::SWITCHING_PROTOCOLS;
    headers::for_client(&mut head.headers, switched);
    head.version = Version::default();
    if let Some(cookie) = claim.take_cookie() {
        head.headers.append(SET_COOKIE, cookie);
    }
    if !switched {
        let body = Body::target(source, claim, lane.pool().clone());
        return Ok(Response::from_parts(head, body));
    }
    let there = match source {
        Source::Http1(call) => call.into_socket(),
        Source::Http2(_) => None,
    };
    // A target that switches to what nobody asked for breaks the protocol.
    let (Some(there), Some(here)) = (there, upgraded) else {
        return Err(Refused::Unreachable);
    };
    lane.tunnel(Tunnel::new(here, there, claim.into_tunnel()));
    Ok(Response::from_parts(head, Body::Text(None)))
}
