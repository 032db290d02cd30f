//! Live streams.

use crate::support::{TARGET, on_console};
use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use model::Phase;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longer than a stream may take without a single hint.
const NEWS_LIMIT: Duration = Duration::from_secs(30);

/// Reads on until the stream has said `wanted`; returns what it said.
pub async fn read_until(stream: &mut Body, wanted: &str) -> String {
    let mut heard = String::new();
    let reading = async {
        while !heard.contains(wanted) {
            let frame = stream.frame().await.expect("the stream ended").unwrap();
            heard.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    };
    if tokio::time::timeout(NEWS_LIMIT, reading).await.is_err() {
        panic!("the stream never said {wanted:?}: {heard}");
    }
    heard
}

#[test]
fn a_page_hears_of_every_change_and_of_the_end() {
    on_console(async |console| {
        let build = console.enqueue(TARGET).await;
        let mut stream = console.stream(&format!("/builds/{build}/live?place=0-0")).await;
        let first = read_until(&mut stream, "event: head").await;
        assert!(first.contains("retry: 2000"), "{first}");

        let claim = console.claim().await;
        console
            .jobs
            .begin_phase(build, claim.lease, Phase::Build)
            .await
            .unwrap();
        read_until(&mut stream, "RUNNING").await;
        console
            .jobs
            .append_log(build, claim.lease, 1, b"one\ntw")
            .await
            .unwrap();
        let log = read_until(&mut stream, "id=\"L1\"").await;
        assert!(log.contains("id: 4-1") && !log.contains("L2"), "{log}");
        console
            .jobs
            .append_log(build, claim.lease, 2, b"o\n")
            .await
            .unwrap();
        read_until(&mut stream, "<code>two</code>").await;
        console.jobs.fail(build, claim.lease, "it broke").await.unwrap();
        let last = read_until(&mut stream, "event: end").await;
        assert!(last.contains("it broke"), "{last}");
        assert!(stream.frame().await.is_none());
    });
}

#[test]
fn a_page_that_comes_back_hears_the_log_from_where_it_was() {
    on_console(async |console| {
        let build = console.enqueue(TARGET).await;
        let claim = console.claim().await;
        console
            .jobs
            .append_log(build, claim.lease, 1, b"one\ntwo\n")
            .await
            .unwrap();
        let mut stream = console.stream(&format!("/builds/{build}/live?place=4-1")).await;
        let heard = read_until(&mut stream, "<code>two</code>").await;
        assert!(
            heard.contains("id=\"L2\"") && !heard.contains("<code>one</code>"),
            "{heard}"
        );
        let answer = console.get(&format!("/builds/{build}/live?place=junk")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    });
}

#[test]
fn a_program_hears_a_build_as_json() {
    on_console(async |console| {
        let build = console.enqueue(TARGET).await;
        let mut stream = console.stream(&format!("/v1/builds/{build}/events")).await;
        read_until(&mut stream, "\"state\":\"QUEUED\"").await;
        console.jobs.cancel(build, &"ada".parse().unwrap()).await.unwrap();
        read_until(&mut stream, "event: end").await;
    });
}

#[test]
fn a_stream_of_what_does_not_exist_is_refused() {
    on_console(async |console| {
        let nil = uuid::Uuid::nil();
        for path in [
            format!("/v1/builds/{nil}/events"),
            format!("/v1/deployments/{nil}/events"),
            format!("/builds/{nil}/live"),
        ] {
            assert_eq!(console.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    });
}

#[test]
fn a_console_that_is_stopped_ends_its_streams_and_itself() {
    on_console(async |console| {
        let build = console.enqueue(TARGET).await;
        let mut stream = console.stream(&format!("/v1/builds/{build}/events")).await;
        read_until(&mut stream, "event: build").await;
        let stop = CancellationToken::new();
        let running = tokio::spawn(console.service.run(stop.clone()));
        stop.cancel();
        running.await.unwrap().unwrap();
        while stream.frame().await.is_some() {}
    });
}

#[test]
fn so_many_streams_and_no_more() {
    on_console(async |console| {
        let build = console.enqueue(TARGET).await;
        let path = format!("/v1/builds/{build}/events");
        let mut open = Vec::new();
        for _ in 0..256 {
            open.push(console.stream(&path).await);
        }
        let refused = console.get(&path).await;
        insta::assert_snapshot!(refused.refusal(), @"
        503 too_many_streams
        too many live connections are open
        close a few pages, or ask without /events
        ");
        drop(open.pop());
        read_until(&mut console.stream(&path).await, "event: build").await;
    });
}
