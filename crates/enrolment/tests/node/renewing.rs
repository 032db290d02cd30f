//! A certificate that never expires, as long as its node lives.

use crate::api::Api;
use crate::support::{LIMIT, Node, until};
use axum::http::StatusCode;
use enrolment::Service;
use jiff::SignedDuration;
use swarm::{Config, Swarm};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_certificate_is_renewed_again_and_again_although_the_api_fails_in_between() {
    let (api, node) = (Api::new(), Node::new());
    let port = api.listen().await.port();
    api.change(|desk| desk.life = SignedDuration::from_secs(6));
    node.leave_token();
    let service = Service::start(node.config(&api, port)).await.unwrap();
    let first = service.certificate();
    let mut config = Config::new(
        node.identity.clone(),
        service.certificate(),
        api.ask(|desk| desk.authority.key()),
    );
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    let (handle, _calls, driver) = Swarm::start(config).await.unwrap();
    let stop = CancellationToken::new();
    let driver = tokio::spawn(driver.run(stop.clone()));
    let service = tokio::spawn(service.run(handle.clone(), stop.clone()));

    api.change(|desk| desk.refusal = Some((StatusCode::SERVICE_UNAVAILABLE, "database_away")));
    until("a renewal that fails", || api.ask(|desk| desk.renewals) > 0).await;
    assert_eq!(node.kept(), Some(first.clone()));
    api.change(|desk| desk.refusal = None);
    for earlier in 1..=2 {
        let before = node.kept().unwrap();
        until("another certificate", || {
            node.kept().is_some_and(|kept| kept != before)
        })
        .await;
        assert!(api.ask(|desk| desk.renewals) > earlier);
    }
    assert!(node.kept().unwrap().statement().not_after > first.statement().not_after);
    handle.status().await.expect("the swarm has gone on meanwhile");

    stop.cancel();
    tokio::time::timeout(LIMIT, service).await.unwrap().unwrap();
    tokio::time::timeout(LIMIT, driver).await.unwrap().unwrap();
}
