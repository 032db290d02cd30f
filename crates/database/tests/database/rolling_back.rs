//! The way back.

use crate::deployments::{back, enter, keep, now, succeeded};
use crate::hosts::told;
use crate::support::{TestBuilds, actor, new_deployment, on_builds, service};
use database::Error;
use database::builds::{DeploymentKind, DeploymentRow, NewDeployment, RollBack};
use model::{Actor, Configuration, DeploymentState, ReleaseNumber, WhenBusy};
use policy::{Grant, Policy, Role, Scope};

#[test]
fn a_rollback_is_a_new_release_of_old_bytes_and_configuration_ahead_of_what_is_in_flight() {
    on_builds(async |builds| {
        let error = builds.roll_back(&back()).await.unwrap_err();
        assert!(matches!(error, Error::NothingToRollBackTo(_)));
        let configuration = Configuration {
            version: Some("v1".parse().unwrap()),
            variables: [("COLOUR".to_owned(), "blue".to_owned())].into(),
        };
        let version = configuration.version.clone().unwrap();
        keep(builds, &configuration).await.unwrap();
        let artifact = builds.verified(1).await;
        let good = NewDeployment {
            configuration: Some(version),
            ..new_deployment(&artifact)
        };
        let good = builds.deploy(&good).await.unwrap();
        let error = builds.roll_back(&back()).await.unwrap_err();
        assert!(
            matches!(error, Error::NothingToRollBackTo(_)),
            "nothing succeeded yet"
        );
        enter(builds, &good, DeploymentState::Succeeded).await;

        let artifact = builds.verified(2).await;
        let bad = builds.deploy(&new_deployment(&artifact)).await.unwrap();
        let rollback = builds.roll_back(&back()).await.unwrap();
        assert_eq!((rollback.release.0, rollback.artifact), (3, good.artifact));
        assert_eq!(rollback.configuration, configuration);
        assert_eq!(rollback.kind, DeploymentKind::Rollback { of: Some(bad.id) });
        assert_eq!(now(builds, &bad).await.state, DeploymentState::RollingBack);
        enter(builds, &rollback, DeploymentState::Succeeded).await;
        assert_eq!(now(builds, &bad).await.state, DeploymentState::RolledBack);

        let error = builds.roll_back(&back()).await.unwrap_err();
        assert!(
            matches!(error, Error::NothingToRollBackTo(_)),
            "the bad release is nothing to go back to: {error}"
        );
    });
}

#[test]
fn a_rollback_holds_automatic_deployments_until_somebody_lifts_that() {
    on_builds(async |builds| {
        succeeded(builds, 1).await;
        let second = succeeded(builds, 2).await;
        let rollback = builds.roll_back(&back()).await.unwrap();
        assert_eq!(rollback.kind, DeploymentKind::Rollback { of: Some(second.id) });
        enter(builds, &rollback, DeploymentState::Succeeded).await;

        let artifact = builds.verified(3).await;
        let automatic = NewDeployment {
            automatic: true,
            ..new_deployment(&artifact)
        };
        let refused = builds.deploy(&automatic).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Held { reason, .. } if reason == "it is slow"),
            "{refused}"
        );
        assert!(builds.lift_hold(&service(), &actor()).await.unwrap());
        builds.deploy(&automatic).await.unwrap();
    });
}

#[test]
fn of_two_controllers_that_roll_the_same_deployment_back_one_is_too_late() {
    on_builds(async |builds| {
        succeeded(builds, 1).await;
        let artifact = builds.verified(2).await;
        let bad = builds.deploy(&new_deployment(&artifact)).await.unwrap();
        let wish = RollBack {
            only_from: Some(bad.id),
            ..back()
        };
        builds.roll_back(&wish).await.unwrap();
        let late = builds.roll_back(&wish).await.unwrap_err();
        assert!(matches!(late, Error::Overtaken(_)), "{late}");
    });
}

/// A release for the instances of one environment only, that succeeded there.
pub async fn succeeded_in(builds: &TestBuilds, number: u8, environment: &str) -> DeploymentRow {
    let artifact = builds.verified(number).await;
    let new = NewDeployment {
        selector: format!("environment={environment}").parse().unwrap(),
        ..new_deployment(&artifact)
    };
    let row = builds.deploy(&new).await.unwrap();
    enter(builds, &row, DeploymentState::Succeeded).await;
    now(builds, &row).await
}

pub async fn two_environments(builds: &TestBuilds) {
    let (staging, production) = (
        r#"{"environment": "staging"}"#,
        r#"{"environment": "production"}"#,
    );
    told(builds, &[("s1", staging, true), ("p1", production, true)]).await;
}

#[test]
fn a_rollback_moves_no_instance_of_another_environment() {
    on_builds(async |builds| {
        two_environments(builds).await;
        let everywhere = succeeded(builds, 1).await;
        let production = succeeded_in(builds, 2, "production").await;
        let staging = succeeded_in(builds, 3, "staging").await;
        let rollback = builds.roll_back(&back()).await.unwrap();
        assert_eq!(
            rollback.artifact, everywhere.artifact,
            "not what is in production"
        );
        assert_eq!(rollback.selector, staging.selector);
        let due = builds.due_outbox(1).await.unwrap().remove(0);
        let layers: Vec<_> = due
            .desired
            .layers
            .iter()
            .map(|layer| (layer.release, &layer.selector))
            .collect();
        assert_eq!(
            layers,
            [
                (ReleaseNumber(4), &staging.selector),
                (everywhere.release, &staging.selector),
                (staging.release, &staging.selector),
                (production.release, &production.selector),
                (everywhere.release, &everywhere.selector),
            ]
        );
    });
}

#[test]
fn whoever_may_deploy_in_one_environment_rolls_back_and_lifts_there_and_nowhere_else() {
    on_builds(async |builds| {
        let bob: Actor = "bob".parse().unwrap();
        two_environments(builds).await;
        succeeded(builds, 1).await;
        succeeded_in(builds, 2, "staging").await;
        let grant = |actor: &Actor, scope| {
            let (actor, role) = (actor.clone(), Role::Deploy);
            Policy::Grant(Grant { actor, role, scope })
        };
        let staging = Scope {
            environment: Some("staging".parse().unwrap()),
            ..Scope::default()
        };
        let everything = grant(&actor(), Scope::default());
        builds.add_policy(&everything, &actor()).await.unwrap();
        builds.add_policy(&grant(&bob, staging), &actor()).await.unwrap();

        let his = RollBack {
            actor: bob.clone(),
            ..back()
        };
        let rollback = builds.roll_back(&his).await.unwrap();
        enter(builds, &rollback, DeploymentState::Succeeded).await;
        assert!(builds.lift_hold(&service(), &bob).await.unwrap());

        succeeded_in(builds, 3, "production").await;
        let refused = builds.roll_back(&his).await.unwrap_err();
        assert!(matches!(refused, Error::Denied(_)), "{refused}");
        builds.roll_back(&back()).await.unwrap();
        let refused = builds.lift_hold(&service(), &bob).await.unwrap_err();
        assert!(matches!(refused, Error::Denied(_)), "{refused}");
        assert_eq!(builds.deploy_holds().await.unwrap().len(), 1, "it holds still");
    });
}

#[test]
fn a_rollback_holds_and_cancels_what_is_for_its_own_environment_until_two_are_held() {
    on_builds(async |builds| {
        two_environments(builds).await;
        succeeded_in(builds, 1, "production").await;
        succeeded_in(builds, 2, "production").await;
        let new = async |number, environment: &str| NewDeployment {
            selector: environment.parse().unwrap(),
            when_busy: WhenBusy::Queue,
            ..new_deployment(&builds.verified(number).await)
        };
        let first = builds
            .deploy(&new(3, "environment=production").await)
            .await
            .unwrap();
        let waiting = builds.deploy(&new(4, "environment=staging").await).await.unwrap();
        let rollback = builds.roll_back(&back()).await.unwrap();
        assert_eq!(rollback.selector, first.selector);
        assert!(
            now(builds, &waiting).await.is_queued(),
            "it is none of its business"
        );
        enter(builds, &rollback, DeploymentState::Succeeded).await;
        assert!(builds.begin_queued(&waiting).await.unwrap());
        enter(builds, &waiting, DeploymentState::Succeeded).await;

        let automatic = async |number, environment: &str| {
            let new = NewDeployment {
                automatic: true,
                ..new(number, environment).await
            };
            builds.deploy(&new).await
        };
        for held in ["environment=production", ""] {
            let refused = automatic(5, held).await.unwrap_err();
            assert!(matches!(refused, Error::Held { .. }), "{held}: {refused}");
        }
        let staging = automatic(5, "environment=staging").await.unwrap();
        enter(builds, &staging, DeploymentState::Succeeded).await;
        builds.roll_back(&back()).await.unwrap();
        let refused = automatic(6, "environment=staging").await.unwrap_err();
        assert!(matches!(refused, Error::Held { .. }), "{refused}");
        let holds = builds.deploy_holds().await.unwrap();
        assert_eq!((holds.len(), &holds[0].environment), (1, &None));
    });
}
