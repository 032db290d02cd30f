//! What tasks write is kept on the host, and read from afar.

use crate::artifacts::{beacon, pack};
use crate::host::{Host, instance, name, order, reaches, reported};
use crate::manager::{FakeManager, Region};
use model::deployment::Directive::Activate;
use model::task_log::{LOG_WAIT_MS_MAX, LogAnswer, LogPart, LogQuestion, LogStart};
use model::{ReleaseNumber, TaskState};
use swarm::{Identity, Role, Swarm};
use tokio_util::sync::CancellationToken;

fn question(release: Option<i64>, start: LogStart) -> LogQuestion {
    LogQuestion {
        service: name("web"),
        release: release.map(ReleaseNumber),
        start,
        wait_ms: LOG_WAIT_MS_MAX,
    }
}

async fn part(manager: &FakeManager, question: LogQuestion) -> LogPart {
    match manager.ask_log(question).await {
        LogAnswer::Part(part) => part,
        LogAnswer::Refused(reason) => panic!("refused: {reason}"),
    }
}

async fn refusal(manager: &FakeManager, question: LogQuestion) -> String {
    match manager.ask_log(question).await {
        LogAnswer::Part(part) => panic!("not refused: {part:?}"),
        LogAnswer::Refused(reason) => reason,
    }
}

#[tokio::test]
async fn the_output_of_a_release_that_crashes_again_and_again_is_told_and_followed() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let script = b"#!/bin/sh\necho opening the door\necho it is shut >&2\nexit 3\n";
    let artifact = manager
        .seed(&pack(files.path(), script, "shut"), &region.key)
        .await;
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    manager.order([order("web", 1, 1, artifact, Activate)]);
    let report = reported(&manager, "it crashed twice", |report| {
        let reason = instance(report, "web").and_then(|it| it.reason.as_deref());
        reason.is_some_and(|reason| reason.contains("times in a row"))
    })
    .await;
    let reason = instance(&report, "web").unwrap().reason.as_deref().unwrap();
    let told = "the process of release 1 ended with exit code 3; it wrote “opening the door” “it is shut”";
    assert!(reason.starts_with(told), "{reason}");

    let tail = part(&manager, question(None, LogStart::Tail(2_000))).await;
    assert_eq!((tail.release, tail.newest), (ReleaseNumber(1), ReleaseNumber(1)));
    assert!(
        tail.text.contains("opening the door\nit is shut\n"),
        "{}",
        tail.text
    );
    assert!(tail.text.contains("[starling] "), "{}", tail.text);
    // Whoever follows waits for the next start, and hears of it.
    let mut place = tail.next;
    let mut heard = String::new();
    while !heard.contains("release 1 starts") || !heard.ends_with("ended with exit code 3\n") {
        let more = part(&manager, question(Some(1), LogStart::At(place))).await;
        assert_eq!(more.gone_bytes, 0);
        heard.push_str(&more.text);
        place = more.next;
    }
    assert!(heard.contains("opening the door\nit is shut\n"), "{heard}");
    agent.stop().await;
}

#[tokio::test]
async fn output_of_earlier_releases_stays_and_what_is_not_kept_is_refused_in_words() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let artifact = manager
        .seed(&pack(files.path(), beacon(), "one"), &region.key)
        .await;
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    reported(&manager, "it is there", |_| true).await;
    let nothing = refusal(&manager, question(None, LogStart::Tail(9))).await;
    assert_eq!(nothing, "nothing of service web was ever started on this host");
    for release in 1..=2 {
        let mut order = order("web", release, release, artifact, Activate);
        order
            .spec
            .environment
            .insert("WHICH".to_owned(), release.to_string());
        manager.order([order]);
        reaches(&manager, "web", release, TaskState::Healthy).await;
    }
    let first = part(&manager, question(Some(1), LogStart::At(0))).await;
    assert!(first.text.contains("release 1 starts"), "{}", first.text);
    assert_eq!(
        (first.release, first.newest),
        (ReleaseNumber(1), ReleaseNumber(2))
    );
    let newest = part(&manager, question(None, LogStart::Tail(9))).await;
    assert_eq!(newest.release, ReleaseNumber(2));
    assert!(!newest.text.contains("release 1"), "{}", newest.text);
    let gone = refusal(&manager, question(Some(7), LogStart::Tail(9))).await;
    assert_eq!(
        gone,
        "the output of release 7 is not kept on this host; that of 2, 1 is"
    );

    // The same process for a release of the same bytes and settings: its output stands where it did.
    let mut same = order("web", 3, 3, artifact, Activate);
    same.spec.environment.insert("WHICH".to_owned(), "2".to_owned());
    manager.order([same]);
    reaches(&manager, "web", 3, TaskState::Healthy).await;
    let renamed = part(&manager, question(None, LogStart::At(0))).await;
    assert_eq!(renamed.release, ReleaseNumber(3));
    assert!(renamed.text.contains("release 2 starts"), "{}", renamed.text);
    // The process itself finds its present release in a file.
    let task = host.task("web").unwrap();
    let variables = std::fs::read(format!("/proc/{}/environ", task.process.pid())).unwrap();
    let variables = String::from_utf8(variables).unwrap();
    let of = |name: &str| {
        variables
            .split('\0')
            .find_map(|variable| variable.strip_prefix(name))
    };
    assert_eq!(of("STARLING_RELEASE="), Some("2"));
    let file = of("STARLING_RELEASE_FILE=").unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "3\n");
    agent.stop().await;
}

#[tokio::test]
async fn another_host_is_told_nothing() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let artifact = manager
        .seed(&pack(files.path(), beacon(), "one"), &region.key)
        .await;
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    manager.order([order("web", 1, 1, artifact, Activate)]);
    reaches(&manager, "web", 1, TaskState::Healthy).await;
    let report = reported(&manager, "its address", |report| !report.addresses.is_empty()).await;

    let config = region.swarm(Identity::generate(), "host-2", Role::Host);
    let (other, _calls, driver) = Swarm::start(config).await.unwrap();
    let stop = CancellationToken::new();
    let driver = tokio::spawn(driver.run(stop.clone()));
    let request = postcard::to_stdvec(&model::task_log::ManagerRequest::Log(question(
        None,
        LogStart::Tail(9),
    )));
    let answer = other
        .call(manager.host(), &report.addresses, request.unwrap())
        .await;
    assert!(answer.is_err(), "{answer:?}");
    stop.cancel();
    driver.await.unwrap();
    agent.stop().await;
}
