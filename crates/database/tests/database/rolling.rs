//! Cursors, an engineer's words, and the way back.

use crate::hosts::told;
use crate::support::{TestBuilds, actor, new_deployment, on_builds, region, service};
use database::Error;
use database::builds::{DeploymentKind, DeploymentRow, NewDeployment, RollBack, Steered};
use model::rollout::{Order, Wave};
use model::{Configuration, Cursor, DeploymentState, RolloutPolicy, Selector};

async fn now(builds: &TestBuilds, row: &DeploymentRow) -> DeploymentRow {
    builds.deployment(row.id).await.unwrap().unwrap()
}

async fn enter(builds: &TestBuilds, row: &DeploymentRow, state: DeploymentState) {
    let seen = now(builds, row).await;
    let waves = [Wave::everybody("all")];
    let entered = builds
        .advance_deployment(&seen, state, (0, &waves), "because")
        .await;
    assert!(entered.unwrap());
}

/// A release that everybody runs.
async fn succeeded(builds: &TestBuilds, number: u8) -> DeploymentRow {
    let artifact = builds.verified(number).await;
    let row = builds.deploy(&new_deployment(&artifact)).await.unwrap();
    enter(builds, &row, DeploymentState::Succeeded).await;
    now(builds, &row).await
}

fn at(hosts: u64) -> Cursor {
    Cursor {
        order: Order::Hash,
        hosts: Some(hosts),
    }
}

/// How many hosts of each region should have their turn.
async fn cursors(builds: &TestBuilds, row: &DeploymentRow) -> Vec<Option<u64>> {
    let progress = builds.region_status(row.id).await.unwrap();
    progress
        .iter()
        .map(|region| region.cursor.unwrap().hosts)
        .collect()
}

/// Keeps a configuration under its own version.
async fn keep(builds: &TestBuilds, configuration: &Configuration) -> Result<bool, Error> {
    let version = configuration.version.clone().unwrap();
    builds
        .put_configuration(&service(), &version, configuration, &actor())
        .await
}

fn back() -> RollBack {
    RollBack {
        service: service(),
        to: None,
        actor: actor(),
        reason: "it is slow".to_owned(),
        only_from: None,
    }
}

#[test]
fn of_two_who_decide_about_the_same_picture_one_is_refused() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        let row = builds.deploy(&new_deployment(&artifact)).await.unwrap();
        let east = [(region("east"), at(2))];
        assert!(
            !builds.move_cursors(&row, &east, false).await.unwrap(),
            "only a wave moves hosts"
        );
        enter(builds, &row, DeploymentState::Wave).await;
        let seen = now(builds, &row).await;
        assert!(builds.move_cursors(&seen, &east, false).await.unwrap());
        let west = [(region("west"), at(1))];
        assert!(!builds.move_cursors(&seen, &west, false).await.unwrap());
        let late = builds
            .advance_deployment(&seen, DeploymentState::Succeeded, (0, &[]), "")
            .await;
        assert!(!late.unwrap());
        assert_eq!(cursors(builds, &row).await, [Some(2), Some(0)]);

        let seen = now(builds, &row).await;
        let less = [(region("east"), at(1))];
        builds.move_cursors(&seen, &less, false).await.unwrap();
        assert_eq!(
            cursors(builds, &row).await,
            [Some(2), Some(0)],
            "a cursor never goes back"
        );
    });
}

#[test]
fn a_deployment_that_succeeds_is_everybodys_and_one_that_stops_is_nobody_elses() {
    on_builds(async |builds| {
        let row = succeeded(builds, 1).await;
        assert_eq!(cursors(builds, &row).await, [None, None]);
        let artifact = builds.verified(2).await;
        let row = builds.deploy(&new_deployment(&artifact)).await.unwrap();
        for told in builds.due_outbox(10).await.unwrap() {
            builds.outbox_delivered(&told).await.unwrap();
        }
        enter(builds, &row, DeploymentState::Wave).await;
        let seen = now(builds, &row).await;
        builds
            .move_cursors(&seen, &[(region("east"), at(2))], false)
            .await
            .unwrap();
        builds.cancel_deployment(row.id, &actor()).await.unwrap();
        assert_eq!(cursors(builds, &row).await, [Some(0), Some(0)]);
        let due = builds.due_outbox(10).await.unwrap();
        assert_eq!(due.len(), 2, "regions that know of it are told to stop");
        assert_eq!(due[0].desired.layers[1].release.0, 1);
    });
}

#[test]
fn one_deployment_is_in_flight_unless_the_newcomer_says_that_it_takes_its_place() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        let polite = NewDeployment {
            supersede: false,
            ..new_deployment(&artifact)
        };
        let first = builds.deploy(&polite).await.unwrap();
        let refused = builds.deploy(&polite).await.unwrap_err();
        assert!(matches!(refused, Error::InFlight { deployment, .. } if deployment == first.id));
        let second = builds.deploy(&new_deployment(&artifact)).await.unwrap();
        assert_eq!(second.release.0, 2, "a refusal uses up no number");
        assert_eq!(now(builds, &first).await.state, DeploymentState::Superseded);
    });
}

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
        assert!(builds.lift_hold(&service()).await.unwrap());
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

#[test]
fn a_paused_deployment_goes_on_where_it_was_and_a_step_is_spent_once() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        let row = builds.deploy(&new_deployment(&artifact)).await.unwrap();
        enter(builds, &row, DeploymentState::Wave).await;
        assert_eq!(
            builds.pause_deployment(row.id, &actor()).await.unwrap(),
            Steered::Now
        );
        let again = builds.pause_deployment(row.id, &actor()).await.unwrap();
        assert_eq!(again, Steered::Not(DeploymentState::Paused));
        let seen = now(builds, &row).await;
        assert!(
            !builds
                .move_cursors(&seen, &[(region("east"), at(1))], false)
                .await
                .unwrap()
        );
        builds.resume_deployment(row.id, &actor()).await.unwrap();
        assert_eq!(now(builds, &row).await.state, DeploymentState::Wave);

        builds.allow_step(row.id).await.unwrap();
        let seen = now(builds, &row).await;
        assert_eq!(seen.steps_allowed, 1);
        assert!(
            builds
                .move_cursors(&seen, &[(region("east"), at(1))], true)
                .await
                .unwrap()
        );
        assert_eq!(now(builds, &row).await.steps_allowed, 0);
    });
}

#[test]
fn a_configuration_version_never_comes_to_mean_something_else() {
    on_builds(async |builds| {
        let with = |colour: &str| Configuration {
            version: Some("v1".parse().unwrap()),
            variables: [("COLOUR".to_owned(), colour.to_owned())].into(),
        };
        for (colour, kept) in [("blue", true), ("blue", true), ("green", false)] {
            assert_eq!(keep(builds, &with(colour)).await.unwrap(), kept, "{colour}");
        }
        assert_eq!(
            builds.configurations(&service()).await.unwrap()[0].configuration,
            with("blue")
        );
        let artifact = builds.verified(1).await;
        let unknown = NewDeployment {
            configuration: Some("v2".parse().unwrap()),
            ..new_deployment(&artifact)
        };
        let refused = builds.deploy(&unknown).await.unwrap_err();
        assert!(matches!(refused, Error::UnknownConfiguration { .. }));
    });
}

#[test]
fn whom_a_release_was_not_for_goes_on_with_the_one_below() {
    on_builds(async |builds| {
        told(builds, &[("h1", r#"{"role": "canary"}"#, true)]).await;
        let everybody = succeeded(builds, 1).await;
        let artifact = builds.verified(2).await;
        let canary: Selector = "role=canary".parse().unwrap();
        let some = NewDeployment {
            selector: canary.clone(),
            ..new_deployment(&artifact)
        };
        let some = builds.deploy(&some).await.unwrap();
        enter(builds, &some, DeploymentState::Succeeded).await;
        let artifact = builds.verified(3).await;
        builds.deploy(&new_deployment(&artifact)).await.unwrap();
        let due = builds.due_outbox(1).await.unwrap().remove(0);
        let layers: Vec<_> = due.desired.layers.iter().map(|layer| layer.release).collect();
        assert_eq!(layers[1..], [some.release, everybody.release]);
        assert_eq!(due.desired.layers[1].selector, canary);
    });
}

#[test]
fn a_policy_that_can_never_work_is_refused() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        let batch_of_nobody = NewDeployment {
            policy: RolloutPolicy {
                batch_size: model::Share::Count(0),
                ..RolloutPolicy::default()
            },
            ..new_deployment(&artifact)
        };
        let refused = builds.deploy(&batch_of_nobody).await.unwrap_err();
        assert!(refused.to_string().contains("batch_size"), "{refused}");
    });
}
