//! Letting nodes in, renewing them, and keeping them out again.

use crate::support::{Answer, Console, LIFE, MANAGER, on_console};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use console::wire::{JoinToken, JoinTokenCreated, JoinTokenList, NodeList};
use jiff::{SignedDuration, Timestamp};
use model::node::{JoinTokenState, RevokedPeers, Role};
use serde_json::json;
use swarm::{Certificate, EnrolmentRequest, Identity, Issued, RenewalRequest};

async fn token(console: &Console) -> JoinTokenCreated {
    let answer = console.post("/v1/join-tokens", &json!({"region": "east"})).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

fn request(token: &JoinTokenCreated, identity: &Identity, name: &str) -> EnrolmentRequest {
    request_at(token, identity, name, Timestamp::now())
}

fn request_at(token: &JoinTokenCreated, identity: &Identity, name: &str, at: Timestamp) -> EnrolmentRequest {
    let place = ("east".parse().unwrap(), Role::Host, name.parse().unwrap());
    EnrolmentRequest::new(identity, token.secret.parse().unwrap(), place, at).unwrap()
}

/// Nodes have no bearer token.
async fn post(console: &Console, path: &str, body: &impl serde::Serialize) -> Answer {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    let body = serde_json::to_string(body).unwrap();
    console.ask(request, Body::from(body)).await
}

async fn enrol(console: &Console, identity: &Identity, name: &str) -> Certificate {
    let request = request(&token(console).await, identity, name);
    let answer = post(console, "/v1/enrolments", &request).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json::<Issued>().certificate
}

async fn renew(console: &Console, identity: &Identity, certificate: &Certificate) -> Answer {
    let request = RenewalRequest::new(identity, certificate.clone(), Timestamp::now()).unwrap();
    post(console, "/v1/enrolments/renew", &request).await
}

#[test]
fn a_node_with_a_token_gets_a_certificate_for_its_key_and_renews_it_with_that_key() {
    on_console(async |console| {
        let identity = Identity::generate();
        let made = token(&console).await;
        assert_eq!(made.authority, console.authority.to_string());
        let answer = post(&console, "/v1/enrolments", &request(&made, &identity, "h1")).await;
        let first = answer.json::<Issued>().certificate;
        let (east, now) = ("east".parse().unwrap(), Timestamp::now());
        first
            .verify(&console.authority, &east, identity.peer(), now)
            .unwrap();
        let said = first.statement();
        assert_eq!((said.name.as_str(), said.role), ("h1", Role::Host));
        let life = said.not_after.duration_since(now).as_secs();
        let wanted = i64::try_from(LIFE.as_secs()).unwrap();
        assert!((wanted - 120..=wanted + 120).contains(&life), "{life}");

        let second = renew(&console, &identity, &first)
            .await
            .json::<Issued>()
            .certificate;
        assert!(second.statement().not_after > said.not_after);
        let nodes: NodeList = console.get("/v1/nodes?region=east").await.json();
        assert_eq!(nodes.nodes.len(), 1);
        assert_eq!(nodes.nodes[0].certificate_until, second.statement().not_after);
        let tokens: JoinTokenList = console.get("/v1/join-tokens").await.json();
        assert_eq!(tokens.tokens[0].state, JoinTokenState::Used);
    });
}

#[test]
fn a_token_that_was_used_is_refused_with_what_to_do() {
    on_console(async |console| {
        let made = token(&console).await;
        let first = request(&made, &Identity::generate(), "h1");
        assert_eq!(
            post(&console, "/v1/enrolments", &first).await.status,
            StatusCode::OK
        );
        let second = request(&made, &Identity::generate(), "h2");
        let answer = post(&console, "/v1/enrolments", &second).await;
        let said = answer.refusal().replace(&made.token.id.to_string(), "ID");
        insta::assert_snapshot!(said, @"
        403 join_token_used
        join token ID is USED
        make a new one with `starling join-token create`; each lets one node in, once
        ");
    });
}

#[test]
fn a_stolen_request_or_certificate_is_worth_nothing_without_the_key() {
    on_console(async |console| {
        let (owner, thief) = (Identity::generate(), Identity::generate());
        let made = token(&console).await;
        let copied = serde_json::to_value(request(&made, &owner, "h1")).unwrap();
        let mut altered = copied.clone();
        let own_key = serde_json::to_value(request(&made, &thief, "h1")).unwrap();
        altered["key"] = own_key["key"].clone();
        let answer = post(&console, "/v1/enrolments", &altered).await;
        insta::assert_snapshot!(answer.refusal(), @"
        403 key_not_proven
        the request was not signed by the key that it names
        use a node of the same version as the API, and its own identity file
        ");
        let old = request_at(
            &made,
            &owner,
            "h1",
            Timestamp::now() - SignedDuration::from_hours(1),
        );
        let answer = post(&console, "/v1/enrolments", &old).await;
        assert!(
            answer
                .refusal()
                .starts_with("403 clock_off\nthe node's clock is 36"),
            "{answer:?}"
        );

        let answer = post(&console, "/v1/enrolments", &copied).await;
        let certificate = answer.json::<Issued>().certificate;
        let answer = renew(&console, &thief, &certificate).await;
        let said = answer.refusal().replace(&owner.peer().to_string(), "OWNER");
        insta::assert_snapshot!(said, @"
        403 certificate_invalid
        the certificate is of no use: it belongs to peer OWNER
        enrol the node anew: make a token with `starling join-token create`
        ");
    });
}

#[test]
fn a_revoked_node_renews_nothing_and_its_region_hears_of_it() {
    on_console(async |console| {
        let identity = Identity::generate();
        let certificate = enrol(&console, &identity, "h1").await;
        let nobody: RevokedPeers = revoked(&console, None).await.json();
        assert_eq!(nobody, RevokedPeers::default());

        let path = "/v1/nodes/east/h1/revoke";
        let silent = console.post(path, &json!({"reason": " "})).await;
        assert_eq!(silent.status, StatusCode::UNPROCESSABLE_ENTITY);
        let answer = console.post(path, &json!({"reason": "stolen"})).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");

        let answer = renew(&console, &identity, &certificate).await;
        let said = answer.refusal();
        assert!(
            said.starts_with("403 node_revoked\nthis node's key was revoked in region east at"),
            "{said}"
        );
        let answer = revoked(&console, None).await;
        let list: RevokedPeers = answer.json();
        assert_eq!(list.peers, [identity.peer().to_string().parse().unwrap()]);
        let tag = answer.header(header::ETAG).to_owned();
        assert_eq!(
            revoked(&console, Some(&tag)).await.status,
            StatusCode::NOT_MODIFIED
        );
    });
}

async fn revoked(console: &Console, tag: Option<&str>) -> Answer {
    let mut request =
        Request::get("/v1/regions/east/revoked").header(header::AUTHORIZATION, format!("Bearer {MANAGER}"));
    if let Some(tag) = tag {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    console.ask(request, Body::empty()).await
}

#[test]
fn a_token_is_made_for_a_region_with_an_authority_and_for_a_day_at_most() {
    on_console(async |console| {
        let answer = console.post("/v1/join-tokens", &json!({"region": "west"})).await;
        insta::assert_snapshot!(answer.refusal(), @"
        404 no_authority
        this server has no authority for region west
        correct the name, or add an [[authorities]] table for west to the API's settings
        ");
        let long = json!({"region": "east", "lifetime_seconds": 86_401});
        let answer = console.post("/v1/join-tokens", &long).await;
        insta::assert_snapshot!(answer.refusal(), @"
        422 invalid_request
        lifetime_seconds: 86401 is not between 60 and 86400
        correct it and send it again
        ");
    });
}

#[test]
fn a_withdrawn_token_lets_nobody_in_and_no_list_shows_a_secret() {
    on_console(async |console| {
        let made = token(&console).await;
        let path = format!("/v1/join-tokens/{}/withdraw", made.token.id);
        let withdrawn: JoinToken = console.post(&path, &()).await.json();
        assert_eq!(withdrawn.state, JoinTokenState::Withdrawn);
        let answer = post(
            &console,
            "/v1/enrolments",
            &request(&made, &Identity::generate(), "h1"),
        )
        .await;
        assert!(
            answer.refusal().starts_with("403 join_token_withdrawn"),
            "{answer:?}"
        );

        let list = console.get("/v1/join-tokens").await;
        assert!(!list.body.contains(&made.secret["starling-join-".len()..]));
        for operators_only in ["/v1/join-tokens", "/v1/nodes"] {
            let as_manager =
                Request::get(operators_only).header(header::AUTHORIZATION, format!("Bearer {MANAGER}"));
            let answer = console.ask(as_manager, Body::empty()).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{operators_only}");
        }
    });
}

#[test]
fn whoever_guesses_tokens_is_slowed_down_and_renewals_go_on() {
    on_console(async |console| {
        let identity = Identity::generate();
        let certificate = enrol(&console, &identity, "h1").await;
        let mut guess = token(&console).await;
        guess.secret = format!("starling-join-{}", "0".repeat(64));
        let mut slowed = 0;
        for _ in 0..150 {
            let answer = post(&console, "/v1/enrolments", &request(&guess, &identity, "h1")).await;
            slowed += u32::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
        }
        assert!(slowed > 0);
        let answer = renew(&console, &identity, &certificate).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    });
}

#[test]
fn the_page_shows_who_was_let_in_and_why_somebody_was_put_out() {
    on_console(async |console| {
        assert!(
            console
                .get("/nodes")
                .await
                .body
                .contains("starling join-token create")
        );
        enrol(&console, &Identity::generate(), "h1").await;
        let page = console.get("/nodes").await.body;
        assert!(page.contains("h1") && page.contains("ENROLLED"), "{page}");
        let reason = json!({"reason": "<b>stolen</b>"});
        console.post("/v1/nodes/east/h1/revoke", &reason).await;
        let page = console.get("/nodes").await.body;
        assert!(
            page.contains("REVOKED") && page.contains("ada@example.org"),
            "{page}"
        );
        assert!(page.contains("stolen") && !page.contains("<b>stolen"), "{page}");
    });
}
