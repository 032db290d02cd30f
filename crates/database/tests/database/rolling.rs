//! Cursors, and an engineer's words.

use crate::deployments::{enter, keep, now, succeeded};
use crate::hosts::told;
use crate::support::{TestBuilds, actor, new_deployment, on_builds, region, service};
use database::Error;
use database::builds::{DeploymentRow, NewDeployment, Steered};
use model::rollout::Order;
use model::{Configuration, Cursor, DeploymentState, RolloutPolicy, Selector, WhenBusy};

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
            when_busy: WhenBusy::Refuse,
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

        builds.allow_step(row.id, &actor()).await.unwrap();
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
