//! A node's first certificate.

use crate::api::Api;
use crate::support::{LIMIT, Node};
use axum::http::StatusCode;
use enrolment::{Error, Service};
use jiff::{SignedDuration, Timestamp};
use std::os::unix::fs::PermissionsExt as _;
use swarm::{Authority, Statement};

#[tokio::test]
async fn a_node_with_a_token_gets_a_certificate_keeps_it_and_needs_no_token_again() {
    let (api, node) = (Api::new(), Node::new());
    let port = api.listen().await.port();
    node.leave_token();
    let first = Service::start(node.config(&api, port))
        .await
        .unwrap()
        .certificate();
    assert_eq!(first.statement().peer, node.identity.peer());
    assert_eq!(node.kept(), Some(first.clone()));
    let mode = node.certificate_file().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!node.token_file().exists(), "a used token is deleted");

    let second = Service::start(node.config(&api, port)).await.unwrap();
    assert_eq!(second.certificate(), first);
    assert_eq!(api.ask(|desk| desk.enrolments), 1);
}

#[tokio::test]
async fn without_a_token_the_error_says_how_to_make_one() {
    let (api, node) = (Api::new(), Node::new());
    for text in [None, Some("not a token")] {
        if let Some(text) = text {
            std::fs::write(node.token_file(), text).unwrap();
        }
        let error = Service::start(node.config(&api, 1)).await.unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("starling join-token create --region r1 --role host --name h1"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_token_that_is_refused_ends_the_start_with_what_to_do_and_stays_where_it_is() {
    let (api, node) = (Api::new(), Node::new());
    let port = api.listen().await.port();
    api.change(|desk| desk.refusal = Some((StatusCode::FORBIDDEN, "join_token_used")));
    node.leave_token();
    let error = Service::start(node.config(&api, port)).await.unwrap_err();
    let Error::Refused(why) = error else {
        panic!("{error:?}");
    };
    assert_eq!(why.to_string(), "it says no (do something about it)");
    assert!(node.token_file().exists());
    assert_eq!(node.kept(), None);
}

#[tokio::test]
async fn an_api_that_is_away_or_unwell_is_waited_for() {
    let (api, node) = (Api::new(), Node::new());
    let port = api.listen_after(2).await.port();
    api.change(|desk| desk.refusal = Some((StatusCode::SERVICE_UNAVAILABLE, "database_away")));
    node.leave_token();
    let starting = tokio::spawn(Service::start(node.config(&api, port)));
    crate::support::until("the first attempt", || api.ask(|desk| desk.enrolments) > 0).await;
    assert!(!starting.is_finished());
    api.change(|desk| desk.refusal = None);
    let started = tokio::time::timeout(LIMIT, starting).await.unwrap().unwrap();
    assert_eq!(Some(started.unwrap().certificate()), node.kept());
}

#[tokio::test]
async fn a_certificate_that_is_anothers_is_replaced() {
    let (api, node) = (Api::new(), Node::new());
    let port = api.listen().await.port();
    let statement = Statement {
        peer: node.identity.peer(),
        region: "r1".parse().unwrap(),
        name: "h1".parse().unwrap(),
        role: model::node::Role::Host,
        not_after: Timestamp::now() + SignedDuration::from_hours(1),
    };
    let renamed = Statement {
        name: "h2".parse().unwrap(),
        ..statement.clone()
    };
    let issue = |statement| api.ask(|desk| desk.authority.issue(statement).unwrap());
    let strange = Authority::generate().issue(statement).unwrap();
    for useless in [issue(renamed), strange] {
        useless.store(&node.certificate_file()).unwrap();
        node.leave_token();
        let started = Service::start(node.config(&api, port)).await.unwrap();
        assert_ne!(started.certificate(), useless);
        assert_eq!(node.kept(), Some(started.certificate()));
    }
}

#[tokio::test]
async fn a_certificate_of_an_authority_that_the_node_does_not_trust_is_not_kept() {
    let (api, node) = (Api::new(), Node::new());
    let port = api.listen().await.port();
    node.leave_token();
    let mut config = node.config(&api, port);
    config.authority = Authority::generate().key();
    let error = Service::start(config).await.unwrap_err();
    assert!(matches!(error, Error::Useless(_)), "{error:?}");
    assert_eq!(node.kept(), None);
    assert!(node.token_file().exists());
}
