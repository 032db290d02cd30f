//! What builds that have ended left in the main store, and when they are forgotten.

#![allow(clippy::unwrap_used)]

mod common;

use artifact_store::{ContentKey, Crc64, Existing, StoredLog, Verification};
use builder::{archiver, leftovers};
use common::{Fixture, project};
use database::jobs::{LogRead, NewBuild};
use model::{ArtifactId, BuildId, LeaseId};
use std::time::Duration;

/// Content that an attempt completed, and of which no manifest came about.
async fn orphan(fixture: &Fixture, key: &ContentKey) {
    let ticket = fixture.store.create_upload(key).await.unwrap();
    let content = &b"nobody's"[..];
    let crc64nvme = Crc64::of(content);
    let part = fixture.store.put_part(&ticket, 1, content.into(), crc64nvme);
    let parts = [part.await.unwrap()];
    fixture
        .store
        .complete_upload(&ticket, &parts, crc64nvme, Existing::Stays)
        .await
        .unwrap();
}

fn clearer(fixture: &Fixture, history: Option<Duration>) -> leftovers::Service {
    let config = leftovers::Config { history };
    leftovers::Service::new(config, fixture.jobs.clone(), fixture.store.clone())
}

async fn contents(fixture: &Fixture, build: BuildId) -> Vec<ContentKey> {
    fixture.store.contents_of(build).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_no_manifest_names_is_removed_once_its_build_has_ended() {
    let fixture = Fixture::new().await;
    let commit = fixture.commit(&project("echo x > out"));
    let waiting = fixture.new_build(&commit, "//:it");
    let build = fixture.jobs.enqueue(&waiting).await.unwrap().build.id;
    // An earlier attempt that died between the content and the manifest.
    let left = ContentKey::of_attempt(build, LeaseId(0));
    orphan(&fixture, &left).await;
    let clearer = clearer(&fixture, None);
    clearer.pass(Duration::ZERO).await.unwrap();
    assert_eq!(
        contents(&fixture, build).await,
        std::slice::from_ref(&left),
        "the build goes on"
    );

    let worker = fixture.start(fixture.config("worker"));
    let artifact = fixture.ended(build).await.artifact.unwrap();
    assert_eq!(contents(&fixture, build).await.len(), 2);
    clearer.pass(Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(contents(&fixture, build).await.len(), 2, "it has only just ended");
    clearer.pass(Duration::ZERO).await.unwrap();
    let kept = contents(&fixture, build).await;
    let stored = fixture.store.get_manifest(&artifact).await.unwrap().unwrap();
    assert_eq!(kept, [stored.content_key]);
    assert_eq!(
        fixture.store.verify(&artifact).await.unwrap(),
        Verification::Matches
    );
    // Each build is looked at once.
    assert!(
        fixture
            .jobs
            .leftovers(Duration::ZERO, 10)
            .await
            .unwrap()
            .is_empty()
    );
    worker.stop.cancel();
    worker.task.await.unwrap().unwrap();
}

/// An attempt that means to publish an artifact and comes to nothing.
async fn set_out_and_fail(fixture: &Fixture, build: &NewBuild, artifact: &ArtifactId) {
    let jobs = &fixture.jobs;
    jobs.enqueue(build).await.unwrap();
    let claim = jobs.claim(&"ghost".parse().unwrap()).await.unwrap().unwrap();
    let may = jobs.set_out(claim.build, claim.lease, artifact).await.unwrap();
    assert!(may);
    jobs.fail(claim.build, claim.lease, "no").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_no_build_counts_is_removed_and_one_that_another_build_made_stays() {
    let fixture = Fixture::new().await;
    let commit = fixture.commit(&project("echo x > out"));
    let first = fixture.enqueue(&commit, "//:it").await;
    let worker = fixture.start(fixture.config("worker"));
    let artifact = fixture.ended(first).await.artifact.unwrap();
    worker.stop.cancel();
    worker.task.await.unwrap().unwrap();
    // Another attempt at the same set out to take it over, and failed.
    let again = NewBuild {
        force: true,
        ..fixture.new_build(&commit, "//:it")
    };
    set_out_and_fail(&fixture, &again, &artifact).await;
    let clearer = clearer(&fixture, None);
    clearer.pass(Duration::ZERO).await.unwrap();
    assert_eq!(
        fixture.store.verify(&artifact).await.unwrap(),
        Verification::Matches
    );

    // What only an attempt published whose build came to nothing.
    let stored = fixture.store.get_manifest(&artifact).await.unwrap().unwrap();
    let removal = fixture
        .jobs
        .begin_removal(&artifact, &[first])
        .await
        .unwrap()
        .unwrap();
    fixture.jobs.end_removal(&removal).await.unwrap();
    set_out_and_fail(&fixture, &again, &artifact).await;
    clearer.pass(Duration::ZERO).await.unwrap();
    assert_eq!(
        fixture.store.verify(&artifact).await.unwrap(),
        Verification::Absent
    );
    let (build, _) = stored.content_key.attempt().unwrap();
    assert_eq!(contents(&fixture, build).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_made_nothing_that_stands_is_forgotten_with_its_log_and_any_other_is_kept() {
    let fixture = Fixture::new().await;
    let failing = fixture.commit(&project("echo it breaks; exit 1"));
    let failed = fixture.enqueue(&failing, "//:it").await;
    let commit = fixture.commit(&project("echo x > out"));
    let made = fixture.enqueue(&commit, "//:it").await;
    let worker = fixture.start(fixture.config("worker"));
    fixture.failed(failed).await;
    fixture.ended(made).await;
    worker.stop.cancel();
    worker.task.await.unwrap().unwrap();
    let jobs = &fixture.jobs;
    let none = jobs.forgettable(Duration::ZERO, 10).await.unwrap();
    assert!(none.is_empty(), "their logs are still in the database");
    let archiver = archiver::Service::new(jobs.clone(), fixture.store.clone());
    assert_eq!(archiver.archive().await.unwrap(), 2);

    let pass = async |history: Option<Duration>| {
        clearer(&fixture, history).pass(Duration::ZERO).await.unwrap();
    };
    // Never by itself where nobody asked for it, and not yet where it is young.
    pass(None).await;
    pass(Some(Duration::from_secs(3_600))).await;
    assert!(jobs.build(failed).await.unwrap().is_some());
    pass(Some(Duration::ZERO)).await;
    assert!(jobs.build(failed).await.unwrap().is_none());
    assert!(jobs.attempts(failed).await.unwrap().is_empty());
    assert!(jobs.phases(failed).await.unwrap().is_empty());
    // The other's artifact stands.
    assert!(!jobs.forget_build(made).await.unwrap());
    let LogRead::Archived(log) = jobs.log(made, 0, 10).await.unwrap() else {
        panic!("the log has left");
    };
    let log = StoredLog {
        object: log.object,
        total: log.total_bytes,
        frame_ends: log.frame_ends,
    };
    fixture.store.read_log(&log, 0, 10).await.unwrap();
    // Once its artifact was collected, the other goes too.
    let artifact = jobs.build(made).await.unwrap().unwrap().artifact.unwrap();
    let removal = jobs.begin_removal(&artifact, &[made]).await.unwrap().unwrap();
    jobs.end_removal(&removal).await.unwrap();
    pass(Some(Duration::ZERO)).await;
    assert!(jobs.list_builds(10, None).await.unwrap().is_empty());
    fixture.store.read_log(&log, 0, 10).await.unwrap_err();
}
