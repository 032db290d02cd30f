//! One deployment of a service in flight, one that waits for it.

use crate::deployments::{back, enter, now, succeeded};
use crate::rolling_back::two_environments;
use crate::support::{TestBuilds, actor, new_deployment, on_builds, service};
use database::Error;
use database::builds::{DeploymentRow, NewDeployment};
use jiff::{SignedDuration, Timestamp};
use model::{Configuration, DeploymentState, WhenBusy};
use policy::{Freeze, Policy, Scope};
use tokio::task::JoinSet;

async fn queue(builds: &TestBuilds, number: u8) -> DeploymentRow {
    let artifact = builds.verified(number).await;
    let new = NewDeployment {
        when_busy: WhenBusy::Queue,
        ..new_deployment(&artifact)
    };
    builds.deploy(&new).await.unwrap()
}

/// Which deployments a region is told of, newest first.
async fn told(builds: &TestBuilds) -> Vec<i64> {
    let due = builds.due_outbox(1).await.unwrap().remove(0);
    due.desired.layers.iter().map(|layer| layer.release.0).collect()
}

#[test]
fn a_deployment_waits_in_words_and_begins_once_the_other_has_ended() {
    on_builds(async |builds| {
        let first = queue(builds, 1).await;
        assert!(!first.is_queued(), "nothing was in flight");
        let second = queue(builds, 2).await;
        assert!(second.is_queued());
        let words = format!("waits for deployment {} to end", first.id);
        assert_eq!(now(builds, &second).await.waits_for, Some(words));
        assert_eq!(told(builds).await, [1], "no host hears of what waits");
        let in_flight = builds.deployments_in_flight().await.unwrap();
        assert_eq!(in_flight.iter().map(|row| row.id).collect::<Vec<_>>(), [first.id]);

        assert!(!builds.begin_queued(&second).await.unwrap());
        enter(builds, &first, DeploymentState::Succeeded).await;
        assert!(builds.begin_queued(&second).await.unwrap());
        assert!(!builds.begin_queued(&second).await.unwrap(), "once");
        let second = now(builds, &second).await;
        assert!(!second.is_queued() && second.state == DeploymentState::Pending);
        assert_eq!(told(builds).await, [2, 1]);
        assert_eq!(builds.queued_deployments().await.unwrap(), []);
    });
}

#[test]
fn of_two_that_wait_the_newer_one_stays_and_whoever_takes_over_takes_over_from_both() {
    on_builds(async |builds| {
        let first = queue(builds, 1).await;
        let second = queue(builds, 2).await;
        let third = queue(builds, 3).await;
        assert_eq!(now(builds, &second).await.state, DeploymentState::Superseded);
        let polite = NewDeployment {
            when_busy: WhenBusy::Refuse,
            ..new_deployment(&builds.verified(4).await)
        };
        enter(builds, &first, DeploymentState::Succeeded).await;
        let refused = builds.deploy(&polite).await.unwrap_err();
        assert!(matches!(refused, Error::InFlight { deployment, .. } if deployment == third.id));

        let over = builds
            .deploy(&new_deployment(&builds.verified(5).await))
            .await
            .unwrap();
        assert_eq!(now(builds, &third).await.state, DeploymentState::Superseded);
        assert!(!builds.begin_queued(&third).await.unwrap());
        assert_eq!(builds.deployments_in_flight().await.unwrap()[0].id, over.id);
    });
}

#[test]
fn nothing_takes_the_place_of_what_is_for_another_environment() {
    on_builds(async |builds| {
        two_environments(builds).await;
        let deploy = async |number, environment: &str, when_busy| {
            let new = NewDeployment {
                selector: environment.parse().unwrap(),
                when_busy,
                ..new_deployment(&builds.verified(number).await)
            };
            builds.deploy(&new).await
        };
        let (production, staging) = ("environment=production", "environment=staging");
        let first = deploy(1, production, WhenBusy::Supersede).await.unwrap();
        let refused = deploy(2, staging, WhenBusy::Supersede).await.unwrap_err();
        assert!(matches!(refused, Error::OtherEnvironment { deployment, .. } if deployment == first.id));
        let words = refused.to_string();
        assert!(words.contains("web in production"), "{words}");
        let waiting = deploy(2, staging, WhenBusy::Queue).await.unwrap();
        assert!(waiting.is_queued());
        let refused = deploy(3, production, WhenBusy::Queue).await.unwrap_err();
        assert!(matches!(refused, Error::OtherEnvironment { deployment, .. } if deployment == waiting.id));
        assert_eq!(now(builds, &first).await.state, DeploymentState::Pending);
        let second = deploy(3, production, WhenBusy::Supersede).await.unwrap();
        assert_eq!(now(builds, &first).await.state, DeploymentState::Superseded);
        assert!(
            now(builds, &waiting).await.is_queued(),
            "it waits for the next one"
        );

        // What is for all of them is for each.
        let newer = deploy(4, staging, WhenBusy::Queue).await.unwrap();
        assert_eq!(now(builds, &waiting).await.state, DeploymentState::Superseded);
        deploy(5, "", WhenBusy::Supersede).await.unwrap();
        assert_eq!(now(builds, &second).await.state, DeploymentState::Superseded);
        assert_eq!(now(builds, &newer).await.state, DeploymentState::Superseded);
    });
}

#[test]
fn what_waits_is_cancelled_by_a_rollback_an_engineer_or_after_a_day() {
    on_builds(async |builds| {
        succeeded(builds, 1).await;
        let bad = queue(builds, 2).await;
        let waiting = queue(builds, 3).await;
        let rollback = builds.roll_back(&back()).await.unwrap();
        assert_eq!(now(builds, &bad).await.state, DeploymentState::RollingBack);
        let waiting = now(builds, &waiting).await;
        assert_eq!(waiting.state, DeploymentState::Cancelled);
        assert_eq!(
            waiting.reason.as_deref(),
            Some("release 4 rolls the service back and holds deployments: it is slow")
        );
        assert!(!builds.begin_queued(&waiting).await.unwrap());

        let waiting = queue(builds, 5).await;
        builds.cancel_deployment(waiting.id, &actor()).await.unwrap();
        assert_eq!(now(builds, &waiting).await.state, DeploymentState::Cancelled);
        assert_eq!(now(builds, &rollback).await.state, DeploymentState::Pending);

        let waiting = queue(builds, 6).await;
        builds
            .run("UPDATE deployments SET expires_at = now() WHERE started_at IS NULL")
            .await;
        let waiting = now(builds, &waiting).await;
        assert!(!builds.begin_queued(&waiting).await.unwrap());
        assert_eq!(now(builds, &waiting).await.state, DeploymentState::Cancelled);
    });
}

#[test]
fn what_has_waited_runs_with_the_configuration_that_runs_by_then_and_asks_policies_again() {
    on_builds(async |builds| {
        let version = "v1".parse().unwrap();
        let configuration = Configuration {
            version: Some("v1".parse().unwrap()),
            ..Configuration::default()
        };
        builds
            .put_configuration(&service(), &version, &configuration, &actor())
            .await
            .unwrap();
        let first = NewDeployment {
            configuration: Some(version),
            ..new_deployment(&builds.verified(1).await)
        };
        let first = builds.deploy(&first).await.unwrap();
        let second = queue(builds, 2).await;
        enter(builds, &first, DeploymentState::Succeeded).await;
        let at = |seconds| Timestamp::now() + SignedDuration::from_secs(seconds);
        let freeze = Policy::Freeze(Freeze {
            scope: Scope::default(),
            from: at(-100),
            until: at(100),
            reason: "holidays".to_owned(),
        });
        let freeze = builds.add_policy(&freeze, &actor()).await.unwrap();
        let refused = builds.begin_queued(&second).await.unwrap_err();
        assert!(matches!(refused, Error::Denied(_)), "{refused}");
        assert!(now(builds, &second).await.is_queued());
        builds.end_policy(freeze.id, &actor()).await.unwrap();
        assert!(builds.begin_queued(&second).await.unwrap());
        assert_eq!(now(builds, &second).await.configuration, configuration);
    });
}

#[test]
fn however_many_deploy_begin_and_end_at_once_one_is_in_flight_and_one_waits() {
    on_builds(async |builds| {
        for number in 1..=8 {
            builds.verified(number).await;
        }
        let mut tasks = JoinSet::new();
        for number in 1..=8_u8 {
            let builds = (**builds).clone();
            let new = NewDeployment {
                when_busy: if number % 2 == 0 {
                    WhenBusy::Queue
                } else {
                    WhenBusy::Supersede
                },
                ..new_deployment(&crate::support::artifact(number))
            };
            tasks.spawn(async move {
                builds.deploy(&new).await.unwrap();
                for row in builds.deployments_in_flight().await.unwrap() {
                    let ended = DeploymentState::Succeeded;
                    builds
                        .advance_deployment(&row, ended, (0, &[]), "")
                        .await
                        .unwrap();
                }
                let mut begun = 0;
                for row in builds.queued_deployments().await.unwrap() {
                    begun += u32::from(builds.begin_queued(&row).await.unwrap());
                }
                begun
            });
        }
        tasks.join_all().await;
        assert!(builds.deployments_in_flight().await.unwrap().len() <= 1);
        assert!(builds.queued_deployments().await.unwrap().len() <= 1);
        let double: Vec<i64> = sqlx::query_scalar(
            "SELECT deployments.release FROM deployments
             WHERE EXISTS (SELECT FROM deployments AS later WHERE later.release > deployments.release
                           AND later.started_at < deployments.started_at)",
        )
        .fetch_all(&builds.sql)
        .await
        .unwrap();
        assert_eq!(double, [0; 0], "an older release never begins after a newer one");
        for statement in [
            "UPDATE deployments SET state = 'WAVE', started_at = now() WHERE release <= 2",
            "UPDATE deployments SET state = 'PENDING', started_at = NULL WHERE release <= 2",
        ] {
            let refused = sqlx::query(statement).execute(&builds.sql).await.unwrap_err();
            assert!(refused.to_string().contains("deployments_one_"), "{refused}");
        }
    });
}
