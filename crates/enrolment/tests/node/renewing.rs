//! A certificate that never expires, as long as its node lives.

use crate::api::Api;
use crate::support::{LIMIT, Node, until};
use axum::http::StatusCode;
use enrolment::Service;
use jiff::{SignedDuration, Timestamp};
use swarm::{Config, Handle, Statement, Swarm};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A swarm with a certificate that is looked after.
struct Running {
    handle: Handle,
    tasks: [JoinHandle<()>; 2],
    stop: CancellationToken,
}

impl Running {
    async fn start(api: &Api, node: &Node, service: Service) -> Self {
        let mut config = Config::new(
            node.identity.clone(),
            service.certificate(),
            api.ask(|desk| desk.authority.key()),
        );
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        let (handle, _calls, driver) = Swarm::start(config).await.unwrap();
        let stop = CancellationToken::new();
        let tasks = [
            tokio::spawn(driver.run(stop.clone())),
            tokio::spawn(service.run(handle.clone(), stop.clone())),
        ];
        Self { handle, tasks, stop }
    }

    async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            tokio::time::timeout(LIMIT, task).await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_again_and_again_although_the_api_fails_in_between() {
    let (api, node) = (Api::new(), Node::new());
    let port = api.listen().await.port();
    api.change(|desk| desk.life = SignedDuration::from_secs(6));
    node.leave_token();
    let service = Service::start(node.config(&api, port)).await.unwrap();
    let first = service.certificate();
    let running = Running::start(&api, &node, service).await;

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
    let status = running.handle.status().await;
    status.expect("the swarm has gone on meanwhile");
    running.stop().await;
}

#[tokio::test]
async fn a_node_whose_certificate_has_expired_starts_and_is_renewed_once_a_token_is_left() {
    let (api, node) = (Api::new(), Node::new());
    let port = api.listen().await.port();
    let expired = Statement {
        peer: node.identity.peer(),
        region: "r1".parse().unwrap(),
        name: "h1".parse().unwrap(),
        role: model::node::Role::Host,
        not_after: Timestamp::now() - SignedDuration::from_secs(1),
    };
    let expired = api.ask(|desk| desk.authority.issue(expired).unwrap());
    expired.store(&node.certificate_file()).unwrap();
    let service = Service::start(node.config(&api, port)).await.unwrap();
    assert_eq!(service.certificate(), expired);
    let running = Running::start(&api, &node, service).await;
    let status = running.handle.status().await;
    status.expect("it runs, though nobody listens to it");

    node.leave_token();
    until("another certificate", || {
        node.kept().is_some_and(|kept| kept != expired)
    })
    .await;
    running.stop().await;
}
