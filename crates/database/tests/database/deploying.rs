//! Releases, deployments, and what regions are told of them.

use crate::support::{TestBuilds, actor, artifact, new_deployment, on_builds, region, service};
use database::Error;
use database::builds::{Artifact, DeploymentRow, NewDeployment, Steered};
use model::{DeploymentState, Epoch};
use tokio::task::JoinSet;

/// What regions should be told now, as (region, release, epoch, how many hosts have their turn).
async fn due(builds: &TestBuilds) -> Vec<(String, i64, i64, Option<u64>)> {
    let rows = builds.due_outbox(100).await.unwrap();
    let mut due: Vec<_> = rows
        .into_iter()
        .map(|row| {
            let (desired, region) = (row.desired, row.region.to_string());
            let newest = desired.newest().unwrap();
            (region, newest.release.0, desired.epoch.0, newest.cursor.hosts)
        })
        .collect();
    due.sort_by(|a, b| a.0.cmp(&b.0));
    due
}

async fn tell_everybody(builds: &TestBuilds) {
    for row in builds.due_outbox(100).await.unwrap() {
        builds.outbox_delivered(&row).await.unwrap();
    }
}

async fn move_on(builds: &TestBuilds, row: &DeploymentRow, to: DeploymentState) {
    let now = builds.deployment(row.id).await.unwrap().unwrap();
    assert!(builds.advance_deployment(&now, to, (0, &[]), "").await.unwrap());
}

#[test]
fn releases_are_numbered_from_one_and_each_takes_the_place_of_the_one_before() {
    on_builds(async |builds| {
        let mut rows = Vec::new();
        for number in 1..=3 {
            let artifact = builds.verified(number).await;
            rows.push(builds.deploy(&new_deployment(&artifact)).await.unwrap());
        }
        let releases: Vec<_> = rows.iter().map(|row| row.release.0).collect();
        assert_eq!(releases, [1, 2, 3]);
        let listed = builds.deployments(10, None).await.unwrap();
        let states: Vec<_> = listed.iter().map(|row| (row.release.0, row.state)).collect();
        use DeploymentState::{Pending, Superseded};
        assert_eq!(states, [(3, Pending), (2, Superseded), (1, Superseded)]);
        assert_eq!(listed[1].reason.as_deref(), Some("release 3 took its place"));
        let in_flight = builds.deployments_in_flight().await.unwrap();
        assert_eq!(
            in_flight.iter().map(|row| row.id).collect::<Vec<_>>(),
            [listed[0].id]
        );
        assert_eq!(
            builds
                .service(&service())
                .await
                .unwrap()
                .unwrap()
                .release
                .unwrap()
                .0,
            3
        );
    });
}

#[test]
fn eight_who_deploy_at_once_get_eight_releases_and_one_stays_in_flight() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        let mut deployers = JoinSet::new();
        for _ in 0..8 {
            let (builds, new) = ((*builds).clone(), new_deployment(&artifact));
            deployers.spawn(async move { builds.deploy(&new).await.unwrap().release.0 });
        }
        let mut releases = deployers.join_all().await;
        releases.sort_unstable();
        assert_eq!(releases, [1, 2, 3, 4, 5, 6, 7, 8]);
        let in_flight = builds.deployments_in_flight().await.unwrap();
        assert_eq!(in_flight.len(), 1);
        assert_eq!(in_flight[0].release.0, 8);
    });
}

#[test]
fn a_deployment_that_cannot_run_is_refused_and_uses_up_no_number() {
    on_builds(async |builds| {
        let known = builds.verified(1).await;
        let nobody = NewDeployment {
            service: "nobody".parse().unwrap(),
            ..new_deployment(&known)
        };
        let error = builds.deploy(&nobody).await.unwrap_err();
        assert!(matches!(error, Error::UnknownService(name) if name == nobody.service));

        let unrecorded = artifact(2);
        let error = builds.deploy(&new_deployment(&unrecorded)).await.unwrap_err();
        assert!(matches!(error, Error::NotRecorded { build, .. } if build == unrecorded.build));
        let mixed = NewDeployment {
            build: unrecorded.build,
            ..new_deployment(&known)
        };
        assert!(matches!(
            builds.deploy(&mixed).await,
            Err(Error::NotRecorded { .. })
        ));

        let other = Artifact {
            target: "//db:db".parse().unwrap(),
            ..artifact(3)
        };
        builds.record_artifact(&other).await.unwrap();
        let error = builds.deploy(&new_deployment(&other)).await.unwrap_err();
        assert!(matches!(error, Error::OtherTarget { actual, .. } if actual == other.target));

        assert_eq!(builds.deploy(&new_deployment(&known)).await.unwrap().release.0, 1);
    });
}

#[test]
fn a_region_is_told_only_once_its_replica_is_verified() {
    on_builds(async |builds| {
        let artifact = artifact(1);
        builds.record_artifact(&artifact).await.unwrap();
        builds.deploy(&new_deployment(&artifact)).await.unwrap();
        assert_eq!(due(builds).await, []);
        builds
            .replica_progress(&artifact.id, &region("east"), 500)
            .await
            .unwrap();
        builds
            .replica_failed(&artifact.id, &region("west"), "no space")
            .await
            .unwrap();
        assert_eq!(due(builds).await, []);

        builds
            .replica_verified(&artifact.id, &region("east"))
            .await
            .unwrap();
        assert_eq!(due(builds).await, [("east".to_owned(), 1, 1, Some(0))]);
        tell_everybody(builds).await;
        assert_eq!(due(builds).await, []);

        builds
            .replica_verified(&artifact.id, &region("west"))
            .await
            .unwrap();
        assert_eq!(due(builds).await, [("west".to_owned(), 1, 1, Some(0))]);
    });
}

#[test]
fn a_late_word_about_an_older_epoch_does_not_hide_the_newer() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        builds.deploy(&new_deployment(&artifact)).await.unwrap();
        let old = builds.due_outbox(10).await.unwrap();
        builds.deploy(&new_deployment(&artifact)).await.unwrap();
        for row in &old {
            builds.outbox_failed(row).await.unwrap();
        }
        assert_eq!(
            due(builds).await.len(),
            2,
            "a failure of the old delays nothing new"
        );
        for row in &old {
            builds.outbox_delivered(row).await.unwrap();
        }
        let due = due(builds).await;
        assert!(
            due.len() == 2
                && due
                    .iter()
                    .all(|(_, release, epoch, _)| (*release, *epoch) == (2, 2))
        );
    });
}

#[test]
fn a_region_that_cannot_be_told_is_tried_again_later_and_for_ever() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        builds.deploy(&new_deployment(&artifact)).await.unwrap();
        let rows = builds.due_outbox(10).await.unwrap();
        for _ in 0..40 {
            builds.outbox_failed(&rows[0]).await.unwrap();
        }
        let others: Vec<_> = builds.due_outbox(10).await.unwrap();
        assert_eq!(others, rows[1..]);
        let wait: f64 =
            sqlx::query_scalar("SELECT extract(epoch FROM max(retry_at) - now())::float8 FROM outbox")
                .fetch_one(&builds.sql)
                .await
                .unwrap();
        assert!((25.0..=30.0).contains(&wait), "{wait}");
    });
}

#[test]
fn a_deployment_that_was_given_up_is_told_to_nobody() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        let row = builds.deploy(&new_deployment(&artifact)).await.unwrap();
        assert_eq!(
            builds.cancel_deployment(row.id, &actor()).await.unwrap(),
            Steered::Now
        );
        assert_eq!(due(builds).await, []);
        let again = builds.cancel_deployment(row.id, &actor()).await.unwrap();
        assert_eq!(again, Steered::Not(DeploymentState::Cancelled));
        let moved = builds
            .advance_deployment(&row, DeploymentState::Staging, (0, &[]), "")
            .await;
        assert!(!moved.unwrap(), "a terminal state is never left");
        let row = builds.deploy(&new_deployment(&artifact)).await.unwrap();
        assert_eq!(row.release.0, 2);
        assert_eq!(due(builds).await.len(), 2);
    });
}

#[test]
fn a_region_that_is_added_later_is_told_what_runs() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        builds.deploy(&new_deployment(&artifact)).await.unwrap();
        tell_everybody(builds).await;
        builds.upsert_region(&region("north")).await.unwrap();
        let pending = builds.replicas_pending(&region("north"), 10).await.unwrap();
        assert_eq!(pending.len(), 1);
        assert_eq!(due(builds).await, []);
        builds
            .replica_verified(&artifact.id, &region("north"))
            .await
            .unwrap();
        assert_eq!(due(builds).await, [("north".to_owned(), 1, 1, Some(0))]);
    });
}

#[test]
fn an_epoch_that_was_never_given_out_here_is_overtaken() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        builds.deploy(&new_deployment(&artifact)).await.unwrap();
        let rows = builds.due_outbox(10).await.unwrap();
        tell_everybody(builds).await;
        builds.outbox_overtaken(&rows[0], Epoch(1)).await.unwrap();
        assert_eq!(due(builds).await, [], "that one is known");
        for _ in 0..2 {
            builds.outbox_overtaken(&rows[0], Epoch(40)).await.unwrap();
        }
        let epochs: Vec<_> = due(builds)
            .await
            .into_iter()
            .map(|(_, _, epoch, _)| epoch)
            .collect();
        assert_eq!(epochs, [41, 41]);
    });
}

#[test]
fn a_deployment_past_its_deadline_says_so() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        let row = builds.deploy(&new_deployment(&artifact)).await.unwrap();
        assert!(!row.overdue);
        sqlx::query("UPDATE deployments SET expires_at = now()")
            .execute(&builds.sql)
            .await
            .unwrap();
        assert!(builds.deployment(row.id).await.unwrap().unwrap().overdue);
        move_on(builds, &row, DeploymentState::Failed).await;
        assert!(!builds.deployment(row.id).await.unwrap().unwrap().overdue);
    });
}
