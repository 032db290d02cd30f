//! What has succeeded and is watched for a while.

use crate::deployments::{back, enter, now, succeeded};
use crate::rolling_back::{succeeded_in, two_environments};
use crate::support::{TestBuilds, artifact, new_deployment, on_builds, region, service};
use database::Error;
use database::builds::{DeploymentRow, NewDeployment, RollBack, WatchRow};
use model::instance::{InstanceHealth, Transfer};
use model::region_report::{HostInstance, RegionReport};
use model::{DeploymentState, Instance, RolloutPolicy, TaskState};

/// What the hosts of `east` say of a release.
async fn hosts_say(builds: &TestBuilds, row: &DeploymentRow, states: &[TaskState]) {
    let instances = states.iter().enumerate().map(|(number, &state)| HostInstance {
        host: format!("h{number}").parse().unwrap(),
        zone: "east-a".parse().unwrap(),
        instance: Instance {
            service: service(),
            epoch: row.epoch,
            desired_release: row.release,
            running_release: Some(row.release),
            active_release: Some(row.release),
            warm_release: None,
            health: match state {
                TaskState::Healthy => InstanceHealth::Healthy,
                TaskState::Error => InstanceHealth::Failed,
                _ => InstanceHealth::Unknown,
            },
            observations: 1,
            state,
            port: None,
            transfer: Transfer::default(),
            reason: (state == TaskState::Error).then(|| "it answers 500".to_owned()),
        },
    });
    let report = RegionReport {
        region: region("east"),
        term: 1,
        hosts_alive: 4,
        store_bytes_read: 0,
        instances: instances.collect(),
        services: Vec::new(),
        hosts: Vec::new(),
        distributions: Vec::new(),
    };
    builds.apply_region_report(&report).await.unwrap();
}

async fn seen(builds: &TestBuilds, row: &DeploymentRow) -> (u64, u64, u64, Option<String>) {
    let rows = builds.watch(row).await.unwrap();
    let [
        WatchRow {
            hosts,
            unwell,
            unknown,
            error,
            ..
        },
    ] = &rows[..]
    else {
        panic!("{rows:?}")
    };
    (*hosts, *unwell, *unknown, error.clone())
}

async fn watched(builds: &TestBuilds) -> Vec<i64> {
    let rows = builds.watched_deployments().await.unwrap();
    rows.iter().map(|row| row.release.0).collect()
}

#[test]
fn a_host_is_unwell_once_it_has_been_for_long_and_never_for_not_being_heard_of() {
    use TaskState::{Error, Healthy, Lost};
    on_builds(async |builds| {
        let row = succeeded(builds, 1).await;
        hosts_say(builds, &row, &[Healthy, Healthy, Error, Healthy]).await;
        assert_eq!(seen(builds, &row).await, (4, 0, 0, None));
        hosts_say(builds, &row, &[Error, Lost, Error, Healthy]).await;
        assert_eq!(seen(builds, &row).await, (4, 0, 1, None), "not for long yet");
        builds
            .run("UPDATE instances SET unwell_since = unwell_since - interval '1 hour'")
            .await;
        let error = Some("h0: it answers 500".to_owned());
        assert_eq!(seen(builds, &row).await, (4, 2, 1, error));
        hosts_say(builds, &row, &[Healthy, Lost, Error, Healthy]).await;
        assert_eq!(seen(builds, &row).await.1, 1, "a host that is well again is well");
        builds
            .run("UPDATE instances SET was_healthy = false, healthy_at = NULL WHERE host = 'h2'")
            .await;
        assert_eq!(
            seen(builds, &row).await.1,
            0,
            "it was broken before, and never well with this"
        );
    });
}

#[test]
fn a_release_is_watched_for_as_long_as_its_policy_says_or_until_another_begins() {
    on_builds(async |builds| {
        succeeded(builds, 1).await;
        assert_eq!(watched(builds).await, [1]);
        let second = succeeded(builds, 2).await;
        builds
            .run("UPDATE deployments SET watched_until = watched_until - interval '59 minutes'")
            .await;
        assert_eq!(watched(builds).await, [2]);
        builds
            .run("UPDATE deployments SET watched_until = watched_until - interval '1 hour'")
            .await;
        assert_eq!(watched(builds).await, [0; 0]);
        assert!(!builds.raise_alarm(&second, "too late").await.unwrap());
        let unwatched = NewDeployment {
            policy: RolloutPolicy {
                watch_seconds: 0,
                ..RolloutPolicy::default()
            },
            ..new_deployment(&builds.verified(3).await)
        };
        let row = builds.deploy(&unwatched).await.unwrap();
        enter(builds, &row, DeploymentState::Succeeded).await;
        assert_eq!(watched(builds).await, [0; 0]);
    });
}

#[test]
fn an_alarm_is_raised_once_and_recorded() {
    on_builds(async |builds| {
        let row = succeeded(builds, 1).await;
        assert!(builds.raise_alarm(&row, "3 of 4 hosts are ill").await.unwrap());
        assert!(!builds.raise_alarm(&row, "4 of 4 hosts are ill").await.unwrap());
        let row = now(builds, &row).await;
        assert_eq!(row.alarm.as_deref(), Some("3 of 4 hosts are ill"));
        let trail = builds.audit(1, None).await.unwrap();
        assert_eq!(
            (trail[0].entry.action.as_str(), trail[0].entry.actor.as_str()),
            ("alarm", "starling-rollout")
        );
        assert_eq!(trail[0].entry.detail["reason"], "3 of 4 hosts are ill");
    });
}

#[test]
fn what_has_succeeded_is_taken_back_once_and_by_nobody_who_is_too_late() {
    on_builds(async |builds| {
        let good = succeeded(builds, 1).await;
        let bad = succeeded(builds, 2).await;
        assert!(builds.can_roll_back(&bad).await.unwrap());
        let wish = RollBack {
            only_from: Some(bad.id),
            ..back()
        };
        let rollback = builds.roll_back(&wish).await.unwrap();
        assert_eq!(rollback.artifact, good.artifact);
        assert_eq!(watched(builds).await, [0; 0]);
        let late = builds.roll_back(&wish).await.unwrap_err();
        assert!(matches!(late, Error::Overtaken(_)), "{late}");
        enter(builds, &rollback, DeploymentState::Succeeded).await;
        assert_eq!(watched(builds).await, [0; 0], "there is nothing better to go to");
        assert!(!builds.can_roll_back(&now(builds, &rollback).await).await.unwrap());
    });
}

#[test]
fn a_release_for_another_environment_neither_ends_a_watch_nor_is_rolled_back_by_it() {
    on_builds(async |builds| {
        two_environments(builds).await;
        succeeded_in(builds, 1, "production").await;
        let watched = succeeded_in(builds, 2, "production").await;
        let new = async |number, environment: &str| NewDeployment {
            selector: environment.parse().unwrap(),
            ..new_deployment(&builds.verified(number).await)
        };
        let staging = builds.deploy(&new(3, "environment=staging").await).await.unwrap();
        let still = builds.watched_deployments().await.unwrap();
        assert_eq!(still.iter().map(|row| row.id).collect::<Vec<_>>(), [watched.id]);
        let wish = RollBack {
            only_from: Some(watched.id),
            ..back()
        };
        let early = builds.roll_back(&wish).await.unwrap_err();
        assert!(
            matches!(early, Error::Overtaken(_)),
            "one is in flight at a time: {early}"
        );
        enter(builds, &staging, DeploymentState::Succeeded).await;
        let rollback = builds.roll_back(&wish).await.unwrap();
        assert_eq!(
            (rollback.selector, rollback.artifact),
            (watched.selector, artifact(1).id)
        );
        let still = builds.watched_deployments().await.unwrap();
        assert_eq!(still.iter().map(|row| row.id).collect::<Vec<_>>(), [staging.id]);
    });
}
