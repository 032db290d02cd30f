//! Replicas.

use crate::support::{TestBuilds, artifact, new_deployment, on_builds, region};
use database::builds::{ReplicaRow, ReplicationTimes};
use database::{Error, Singleton};
use model::ReplicaState;
use std::time::Duration;

async fn east(builds: &TestBuilds, number: u8) -> ReplicaRow {
    let replicas = builds.replicas(&artifact(number).id).await.unwrap();
    replicas
        .into_iter()
        .find(|row| row.region == region("east"))
        .unwrap()
}

#[test]
fn recording_an_artifact_twice_asks_every_region_for_one_replica() {
    on_builds(async |builds| {
        let artifact = artifact(1);
        for _ in 0..2 {
            builds.record_artifact(&artifact).await.unwrap();
        }
        assert_eq!(
            builds.artifact_of(artifact.build).await.unwrap(),
            Some(artifact.clone())
        );
        let replicas = builds.replicas(&artifact.id).await.unwrap();
        let shape: Vec<_> = replicas
            .iter()
            .map(|row| (row.region.to_string(), row.state))
            .collect();
        let pending = ReplicaState::Pending;
        assert_eq!(
            shape,
            [("east".to_owned(), pending), ("west".to_owned(), pending)]
        );
    });
}

#[test]
fn a_replica_that_failed_waits_before_it_is_tried_again() {
    on_builds(async |builds| {
        let (artifact, east_region) = (artifact(1), region("east"));
        builds.record_artifact(&artifact).await.unwrap();
        builds
            .replica_progress(&artifact.id, &east_region, 400)
            .await
            .unwrap();
        assert_eq!(east(builds, 1).await.state, ReplicaState::Copying);
        builds
            .replica_failed(&artifact.id, &east_region, "the store refused")
            .await
            .unwrap();
        let row = east(builds, 1).await;
        assert_eq!((row.state, row.failures), (ReplicaState::Failed, 1));
        assert_eq!(row.reason.as_deref(), Some("the store refused"));
        assert_eq!(builds.replicas_pending(&east_region, 10).await.unwrap(), []);
        sqlx::query("UPDATE replicas SET retry_at = now()")
            .execute(&builds.sql)
            .await
            .unwrap();
        assert_eq!(builds.replicas_pending(&east_region, 10).await.unwrap(), [row]);
    });
}

#[test]
fn a_verified_replica_stays_so_until_it_is_found_lost() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        let east_region = region("east");
        builds
            .replica_progress(&artifact.id, &east_region, 1)
            .await
            .unwrap();
        builds
            .replica_failed(&artifact.id, &east_region, "a slow copier gave up")
            .await
            .unwrap();
        let row = east(builds, 1).await;
        assert_eq!((row.state, row.copied_bytes), (ReplicaState::Verified, 1_000));
        assert_eq!(builds.replicas_verified(&east_region, 10).await.unwrap(), [row]);

        builds
            .replica_lost(&artifact.id, &east_region, "the object is gone")
            .await
            .unwrap();
        let row = east(builds, 1).await;
        assert_eq!((row.state, row.verified_at), (ReplicaState::Pending, None));
        assert_eq!(builds.replicas_verified(&east_region, 10).await.unwrap(), []);
        assert_eq!(builds.replicas_pending(&east_region, 10).await.unwrap(), [row]);
    });
}

#[test]
fn what_a_deployment_waits_for_is_copied_first() {
    on_builds(async |builds| {
        for number in 1..=3 {
            builds.record_artifact(&artifact(number)).await.unwrap();
        }
        builds.deploy(&new_deployment(&artifact(3))).await.unwrap();
        let pending = builds.replicas_pending(&region("east"), 10).await.unwrap();
        let order: Vec<_> = pending.iter().map(|row| row.artifact.0[0]).collect();
        assert_eq!(order, [3, 1, 2]);
    });
}

#[test]
fn a_leader_whose_term_is_over_writes_nothing() {
    on_builds(async |builds| {
        let artifact = artifact(1);
        builds.record_artifact(&artifact).await.unwrap();
        let east_region = region("east");
        let old = builds.begin_term(Singleton::Replicator).await.unwrap();
        let other = builds.begin_term(Singleton::Synchronizer).await.unwrap();
        old.replica_progress(&artifact.id, &east_region, 7).await.unwrap();
        let new = builds.begin_term(Singleton::Replicator).await.unwrap();
        let before = east(builds, 1).await;
        let late = [
            old.replica_progress(&artifact.id, &east_region, 8).await,
            old.replica_verified(&artifact.id, &east_region).await,
            old.replica_failed(&artifact.id, &east_region, "late").await,
            old.confirm_term().await,
        ];
        for refused in late {
            assert!(
                matches!(refused, Err(Error::TermOver("replicator"))),
                "{refused:?}"
            );
        }
        assert_eq!(east(builds, 1).await, before);
        new.replica_progress(&artifact.id, &east_region, 9).await.unwrap();
        other.confirm_term().await.unwrap();
    });
}

#[test]
fn how_long_replicas_took_is_told_by_region() {
    on_builds(async |builds| {
        for number in 1..=10 {
            builds.record_artifact(&artifact(number)).await.unwrap();
            builds
                .replica_verified(&artifact(number).id, &region("east"))
                .await
                .unwrap();
        }
        // The first took a hundred seconds, the second two hundred, and so on; the last is older than what is asked for.
        sqlx::query(
            "UPDATE replicas SET requested_at = verified_at - make_interval(secs => 100 * place),
                                 verified_at = verified_at - make_interval(hours => CASE place WHEN 10 THEN 25 ELSE 0 END)
             FROM (SELECT artifact, row_number() OVER (ORDER BY artifact) AS place FROM replicas WHERE region = 'east')
                  AS numbered
             WHERE numbered.artifact = replicas.artifact AND region = 'east'",
        )
        .execute(&builds.sql)
        .await
        .unwrap();
        let times = builds.replication_times().await.unwrap();
        let seconds = Duration::from_secs;
        let expected = ReplicationTimes {
            region: region("east"),
            replicas: 9,
            p50: seconds(500),
            p90: seconds(900),
            p99: seconds(900),
            max: seconds(900),
            within_promise: 6.0 / 9.0,
        };
        assert_eq!(times, [expected], "west has none");
    });
}
