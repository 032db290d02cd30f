//! Workers that lose their lease, their database or their life.

#![allow(clippy::unwrap_used)]

mod common;

use artifact_store::{ContentKey, Crc64, Verification};
use builder::sweeper;
use common::{Fixture, alive, gone, project, unlikely_seconds};
use database::Error;
use model::{BuildId, BuildState, LeaseId};
use std::time::Duration;

/// A build that nobody ever enqueued.
const UNKNOWN: &str = "01900000-0000-7000-8000-000000000000";

/// A build that has said "ready" and now sleeps.
async fn sleeping(fixture: &Fixture) -> (BuildId, String) {
    let seconds = unlikely_seconds();
    let commit = fixture.commit(&project(&format!("echo ready; sleep {seconds}; touch out")));
    let build = fixture.enqueue(&commit, "//:it").await;
    fixture.until_log_holds(build, "\nready\n").await;
    assert!(alive(&seconds));
    (build, seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_lease_was_given_away_kills_its_build_and_publishes_nothing() {
    let fixture = Fixture::new().await;
    let mut config = fixture.config("worker");
    config.lease_window = Duration::from_secs(10);
    config.slots = 1;
    let worker = fixture.start(config);
    let (build, seconds) = sleeping(&fixture).await;
    let lease = fixture.jobs.build(build).await.unwrap().unwrap().lease.unwrap();
    // Somebody takes the build away and another worker takes it up, as after a reaper's round.
    fixture.jobs.hand_back(build, lease).await.unwrap();
    let thief = fixture
        .jobs
        .claim(&"thief".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(thief.build, build);
    assert!(thief.lease > lease);

    gone(&seconds).await;
    fixture.until_cleared("worker").await;
    let late = fixture.jobs.fail(build, lease, "too late").await.unwrap_err();
    assert!(matches!(late, Error::LeaseLost { .. }), "{late}");
    let row = fixture.jobs.build(build).await.unwrap().unwrap();
    assert_eq!((row.state, row.lease), (BuildState::Running, Some(thief.lease)));
    worker.stop.cancel();
    worker.task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_build_is_killed() {
    let fixture = Fixture::new().await;
    let mut config = fixture.config("worker");
    config.lease_window = Duration::from_secs(10);
    let _worker = fixture.start(config);
    let (build, seconds) = sleeping(&fixture).await;
    fixture
        .jobs
        .cancel(build, &"engineer@example.org".parse().unwrap())
        .await
        .unwrap();
    gone(&seconds).await;
    fixture.until_cleared("worker").await;
    assert_eq!(fixture.ended(build).await.state, BuildState::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_say_that_it_lives_kills_its_build_by_itself() {
    let mut fixture = Fixture::new().await;
    let mut config = fixture.config("worker");
    config.lease_window = Duration::from_secs(6);
    let _worker = fixture.start(config);
    let (_, seconds) = sleeping(&fixture).await;
    fixture.postgres.take().unwrap().stop().await.unwrap();
    gone(&seconds).await;
    fixture.until_cleared("worker").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_workers_build_and_its_upload_are_finished_by_another() {
    let fixture = Fixture::new().await;
    let commit = fixture.commit(&project("echo x > out"));
    let build = fixture.enqueue(&commit, "//:it").await;
    let ghost = fixture
        .jobs
        .claim(&"ghost".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    // What a worker that was killed in the middle of an attempt leaves behind.
    let left = fixture.path("worker").join("attempts/old/source");
    std::fs::create_dir_all(&left).unwrap();
    let key = ContentKey::of_attempt(build, ghost.lease);
    let ticket = fixture.store.create_upload(&key).await.unwrap();
    let output = b"x\n";
    fixture
        .store
        .put_part(&ticket, 1, output.to_vec().into(), Crc64::of(output))
        .await
        .unwrap();

    let window = Duration::from_secs(6);
    let mut config = fixture.config("worker");
    config.lease_window = window;
    let _worker = fixture.start(config);
    let reaper = fixture.start_reaper(window);
    let row = fixture.ended(build).await;
    assert_eq!((row.state, row.attempt.0), (BuildState::Succeeded, 2), "{row:#?}");
    assert!(!left.exists());
    let unfinished = fixture.store.unfinished(&build.to_string()).await.unwrap();
    assert!(unfinished.is_empty(), "{unfinished:?}");
    let log = fixture.log(build).await;
    assert!(log.contains("2 bytes were in the store"), "{log}");
    let artifact = row.artifact.unwrap();
    let stored = fixture.store.get_manifest(&artifact).await.unwrap().unwrap();
    assert_eq!(stored.content_key, key);
    assert_eq!(
        fixture.store.verify_content(&stored).await.unwrap(),
        Verification::Matches
    );
    let late = fixture
        .jobs
        .succeed(build, ghost.lease, &artifact, 2)
        .await
        .unwrap_err();
    assert!(matches!(late, Error::LeaseLost { .. }), "{late}");
    reaper.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_hands_its_build_back() {
    let fixture = Fixture::new().await;
    let worker = fixture.start(fixture.config("worker"));
    let (build, seconds) = sleeping(&fixture).await;
    worker.stop.cancel();
    worker.task.await.unwrap().unwrap();
    gone(&seconds).await;
    let row = fixture.jobs.build(build).await.unwrap().unwrap();
    assert_eq!(row.state, BuildState::Queued, "{row:#?}");
    assert!(fixture.log(build).await.contains("another will start over"));
    fixture.until_cleared("worker").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_lets_its_build_end_within_the_grace() {
    let fixture = Fixture::new().await;
    let mut config = fixture.config("worker");
    config.stop_grace = common::PATIENCE;
    let worker = fixture.start(config);
    let commit = fixture.commit(&project(
        "echo ready; while [ ! -e go ]; do sleep 0.05; done; touch out",
    ));
    let build = fixture.enqueue(&commit, "//:it").await;
    fixture.until_log_holds(build, "\nready\n").await;
    worker.stop.cancel();
    let attempts = std::fs::read_dir(fixture.path("worker").join("attempts")).unwrap();
    for attempt in attempts {
        std::fs::write(attempt.unwrap().path().join("source/go"), "").unwrap();
    }
    worker.task.await.unwrap().unwrap();
    let row = fixture.jobs.build(build).await.unwrap().unwrap();
    assert_eq!(row.state, BuildState::Succeeded, "{row:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_on_a_machine_without_a_sandbox_refuses_to_start() {
    let fixture = Fixture::new().await;
    let mut config = fixture.config("worker");
    config.sandbox = common::sandbox(vec!["/no/such/toolchain".into()]);
    let error = fixture.start(config).task.await.unwrap().unwrap_err();
    assert!(matches!(error, builder::Error::Sandbox(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_uploads_of_builds_that_have_ended_are_swept() {
    let fixture = Fixture::new().await;
    let commit = fixture.commit(&project("true"));
    let build = fixture.enqueue(&commit, "//:it").await;
    let worker = "ghost".parse().unwrap();
    let claim = fixture.jobs.claim(&worker).await.unwrap().unwrap();
    let living = ContentKey::of_attempt(build, claim.lease);
    // An earlier attempt's, which this one may go on with.
    let earlier = ContentKey::of_attempt(build, LeaseId(claim.lease.0 - 1));
    let unknown = ContentKey::of_attempt(UNKNOWN.parse().unwrap(), claim.lease);
    for key in [&living, &earlier, &unknown] {
        fixture.store.create_upload(key).await.unwrap();
    }

    let sweeper = sweeper::Service::new(fixture.jobs.clone(), fixture.store.clone());
    assert_eq!(sweeper.sweep().await.unwrap(), 1);
    let left = fixture.store.unfinished("").await.unwrap();
    assert_eq!(
        left.iter().map(|upload| &upload.ticket.key).collect::<Vec<_>>(),
        [&earlier, &living]
    );

    fixture
        .jobs
        .cancel(build, &"engineer@example.org".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(
        sweeper.sweep().await.unwrap(),
        2,
        "a cancelled build needs its uploads no more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_outlives_its_database_and_finishes_what_it_built_meanwhile() {
    let mut fixture = Fixture::new().await;
    let _worker = fixture.start(fixture.config("worker"));
    let script = "echo ready; while [ ! -e go ]; do sleep 0.05; done; echo went; touch out";
    let build = fixture.enqueue(&fixture.commit(&project(script)), "//:it").await;
    fixture.until_log_holds(build, "\nready\n").await;
    let attempts = fixture.path("worker").join("attempts");
    let attempt = std::fs::read_dir(&attempts).unwrap().next().unwrap().unwrap();

    let mut postgres = fixture.postgres.take().unwrap();
    let id = postgres.id().unwrap().cast_signed();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(id).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    postgres.ended().await;
    // The command ends while nobody can be told.
    std::fs::write(attempt.path().join("source/go"), "").unwrap();
    common::until(|| attempt.path().join("source/out").exists()).await;
    postgres.restart().await.unwrap();
    fixture.postgres = Some(postgres);

    let row = fixture.ended(build).await;
    assert_eq!((row.state, row.attempt.0), (BuildState::Succeeded, 1), "{row:#?}");
    assert!(fixture.log(build).await.contains("\nwent\n"));
    // And it takes builds again.
    let next = fixture
        .enqueue(&fixture.commit(&project("echo x > out")), "//:it")
        .await;
    assert_eq!(fixture.ended(next).await.state, BuildState::Succeeded);
}
