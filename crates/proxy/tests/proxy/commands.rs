//! What the proxy is told, and how it takes it.

use crate::client::Client;
use crate::rig::{Rig, eventually};
use crate::task::Task;
use hyper::StatusCode;
use proxy_control::{Error, Exchange, Mode, Reply, line};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_requests_until_it_ends_and_no_more_than_it_may() {
    let rig = Rig::new();
    let mut config = rig.config();
    config.limits.held_max = 3;
    let proxy = rig.start_with(config).await;
    let task = Task::start(1);
    rig.point_at(task.target).await;
    let (control, service) = (rig.control(), "web".parse::<model::ServiceName>().unwrap());
    control.mode(service.clone(), Mode::Pause).await.unwrap();
    let port = rig.stable_port;
    let held: Vec<_> = (0..3)
        .map(|_| tokio::spawn(async move { Client::new(port).get("/").await.unwrap() }))
        .collect();
    eventually("held", async || control.status().await.unwrap()[0].held_now == 3).await;
    let refused = Client::new(port).get("/").await.unwrap();
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers["retry-after"], "1");
    control.mode(service, Mode::Serve).await.unwrap();
    for request in held {
        assert_eq!(request.await.unwrap().text, "1");
    }
    let status = &control.status().await.unwrap()[0];
    assert_eq!((status.held, status.held_now, status.failures), (3, 0, 1));
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_while_the_only_task_is_exchanged_for_another_one_and_not_for_ever() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let (first, second) = (Task::start(1), Task::start(2));
    rig.point_at(first.target).await;
    let control = rig.control();
    let exchange = |target, ms_max| {
        control.exchange(Exchange {
            service: "web".parse().unwrap(),
            target,
            ms_max,
            tunnels_ms_max: 1_000,
        })
    };
    let port = rig.stable_port;
    assert_eq!(exchange(first.target, 60_000).await.unwrap(), (0, 0));
    let held = tokio::spawn(async move { Client::new(port).get("/").await.unwrap() });
    eventually("held", async || control.status().await.unwrap()[0].held_now == 1).await;
    // Whoever asked for it asks again and again, and points elsewhere in the end.
    assert_eq!(exchange(first.target, 60_000).await.unwrap(), (0, 0));
    rig.point_at(second.target).await;
    assert_eq!(held.await.unwrap().text, "2");

    // Nothing is held for one that gets no requests.
    assert_eq!(exchange(first.target, 60_000).await.unwrap(), (0, 0));
    assert_eq!(Client::new(port).get("/").await.unwrap().text, "2");
    // Whoever asked for it may be gone for good, and the point may stay as it was.
    exchange(second.target, 200).await.unwrap();
    assert_eq!(Client::new(port).get("/").await.unwrap().text, "2");
    exchange(second.target, 60_000).await.unwrap();
    rig.point_at(second.target).await;
    assert_eq!(Client::new(port).get("/").await.unwrap().text, "2");
    let status = &control.status().await.unwrap()[0];
    assert_eq!((status.held, status.held_now, status.failures), (2, 0, 0));
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_is_refused_when_its_time_is_over_and_forgotten_when_its_client_leaves() {
    let rig = Rig::new();
    let mut config = rig.config();
    config.hold_max = Duration::from_millis(200);
    let proxy = rig.start_with(config).await;
    let task = Task::start(1);
    rig.point_at(task.target).await;
    let control = rig.control();
    control.mode("web".parse().unwrap(), Mode::Pause).await.unwrap();
    let port = rig.stable_port;
    assert_eq!(
        Client::new(port).get("/").await.unwrap().status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let leaves = tokio::spawn(async move { Client::new(port).get("/").await });
    eventually("held", async || control.status().await.unwrap()[0].held_now == 1).await;
    leaves.abort();
    eventually("forgotten", async || {
        control.status().await.unwrap()[0].held_now == 0
    })
    .await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_is_said_at_once_and_outlives_a_restart_without_whoever_said_it() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let task = Task::start(1);
    rig.point_at(task.target).await;
    let (control, service) = (rig.control(), "web".parse::<model::ServiceName>().unwrap());
    control.mode(service.clone(), Mode::Maintenance).await.unwrap();
    proxy.stop().await;
    assert!(matches!(control.status().await, Err(Error::Unreachable { .. })));

    let proxy = rig.start().await;
    let mut client = Client::new(rig.stable_port);
    assert_eq!(
        client.get("/").await.unwrap().status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    control.mode(service, Mode::Serve).await.unwrap();
    assert_eq!(client.get("/").await.unwrap().text, "1");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_service_gives_its_port_up_and_another_may_have_it() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let task = Task::start(1);
    rig.point_at(task.target).await;
    let mut other = rig.point(task.target);
    other.service = "other".parse().unwrap();
    let control = rig.control();
    let refused = control.point(other.clone()).await.unwrap_err();
    assert!(
        refused.to_string().contains("stable port of service web"),
        "{refused}"
    );
    control.remove("web".parse().unwrap()).await.unwrap();
    eventually("given up", async || control.point(other.clone()).await.is_ok()).await;
    assert_eq!(Client::new(rig.stable_port).get("/").await.unwrap().text, "1");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_in_words_and_changes_nothing() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let task = Task::start(1);
    rig.point_at(task.target).await;
    let control = rig.control();
    let mut twice = rig.point(task.target);
    twice.stable_port = task.target.port;
    let drain = control.drain("web".parse().unwrap(), task.target, 0).await;
    let unknown = control.mode("who".parse().unwrap(), Mode::Pause).await;
    for (refused, words) in [
        (control.point(twice).await, "stable port and a target's"),
        (drain.map(drop), "still gets requests"),
        (unknown, "not known"),
    ] {
        assert!(
            refused.as_ref().unwrap_err().to_string().contains(words),
            "{refused:?}"
        );
    }
    let mut garbage = UnixStream::connect(control.socket()).await.unwrap();
    garbage.write_all(b"{\"command\":\"dance\"}\n").await.unwrap();
    assert!(!matches!(line::read::<Reply>(&mut garbage).await, Ok(Some(_))));
    assert_eq!(Client::new(rig.stable_port).get("/").await.unwrap().text, "1");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_may_steer() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(rig.config().control_socket), 0o600);
    assert_eq!(mode(rig.config().folder), 0o700);
    proxy.stop().await;
}
