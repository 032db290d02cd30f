//! Workers whose store or database is there and says nothing.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Fixture, PATIENCE, project, store_at};
use database::Jobs;
use database::jobs::NewBuild;
use local_services::Gate;
use model::{Attempt, BuildState, Phase};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_takes_too_long_is_tried_again_and_says_so() {
    let fixture = Fixture::new().await;
    let (gate, address) = Gate::before(fixture.store_address).await.unwrap();
    gate.close(true);
    let mut config = fixture.config("worker");
    config.upload_timeout = Duration::from_secs(1);
    let parts = fixture.parts_at(&fixture.serve_api(store_at(address)).await);
    let _worker = fixture.start_with(config, parts);
    let commit = fixture.commit(&project("echo done > out"));
    let build = fixture.enqueue(&commit, "//:it").await;
    let row = fixture
        .until(build, |row| {
            row.attempt == Attempt(1) && row.state == BuildState::Queued
        })
        .await;
    let first = fixture.jobs.attempts(row.id).await.unwrap().remove(0);
    let reason = first.reason.unwrap();
    assert_eq!(
        reason,
        "failed to store the artifact: the upload took longer than the worker's timeout of 1 s"
    );
    assert!(fixture.log(build).await.contains(&reason));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_may_outlast_the_deadline_of_its_build() {
    const DEADLINE: Duration = Duration::from_secs(15);
    let fixture = Fixture::new().await;
    let (gate, address) = Gate::before(fixture.store_address).await.unwrap();
    gate.close(true);
    let parts = fixture.parts_at(&fixture.serve_api(store_at(address)).await);
    let mut config = fixture.config("worker");
    config.lease_window = Duration::from_secs(10);
    let _reaper = fixture.start_reaper(config.lease_window);
    let _worker = fixture.start_with(config, parts);
    let commit = fixture.commit(&project("echo done > out"));
    let new = NewBuild {
        deadline: DEADLINE,
        ..fixture.new_build(&commit, "//:it")
    };
    let build = fixture.jobs.enqueue(&new).await.unwrap().build.id;
    let uploading = fixture.until(build, |row| row.phase == Some(Phase::Upload)).await;
    let left = uploading.expires_at.unwrap().duration_since(uploading.created_at);
    assert!(left.as_secs() > 3_600, "it has the upload's deadline now: {left}");
    // The build's own passes meanwhile.
    tokio::time::sleep(DEADLINE).await;
    gate.close(false);
    let row = fixture.ended(build).await;
    assert_eq!(
        (row.state, row.attempt),
        (BuildState::Succeeded, Attempt(1)),
        "{row:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_connections_are_open_at_its_end_alone_goes_on_with_others() {
    let fixture = Fixture::new().await;
    let folder = tempfile::tempdir().unwrap();
    let postgres = fixture.postgres.as_ref().unwrap();
    let (gate, url) = postgres.behind_gate("jobs", folder.path()).await.unwrap();
    let mut config = fixture.config("worker");
    config.lease_window = Duration::from_secs(6);
    config.jobs_url = url.clone().into();
    let mut parts = fixture.parts();
    parts.jobs = Jobs::connect(&url, database::Limits::default()).await.unwrap();
    let _worker = fixture.start_with(config, parts);
    for number in 0..3 {
        let commit = fixture.commit(&project(&format!("echo {number} > out")));
        let build = fixture.enqueue(&commit, "//:it").await;
        let ended = tokio::time::timeout(PATIENCE, fixture.ended(build))
            .await
            .unwrap();
        assert_eq!(ended.state, BuildState::Succeeded, "{ended:#?}");
        // No hint comes through any more, no beat, and no claim is answered.
        gate.silence();
    }
}
