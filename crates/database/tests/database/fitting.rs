//! Deployments that fit no fleet, refused before anything is written.

use crate::hosts::told;
use crate::support::{TestBuilds, actor, new_deployment, on_builds, service};
use database::Error;
use database::builds::{FleetMismatch, NewDeployment};
use model::rollout::Strategy;
use model::{DeploymentState, ReleaseNumber, RolloutPolicy, Share};

async fn deploy(builds: &TestBuilds, labels: &str, policy: RolloutPolicy) -> Result<i64, FleetMismatch> {
    let artifact = builds.verified(1).await;
    let new = NewDeployment {
        selector: labels.parse().unwrap(),
        policy,
        ..new_deployment(&artifact)
    };
    match builds.deploy(&new).await {
        Ok(row) => Ok(row.release.0),
        Err(Error::Fleet(mismatch)) => Err(mismatch),
        Err(error) => panic!("{error:?}"),
    }
}

fn batch_of(hosts: u32) -> RolloutPolicy {
    RolloutPolicy {
        batch_size: Share::Count(hosts),
        ..RolloutPolicy::default()
    }
}

#[test]
fn before_any_host_was_heard_of_a_service_is_deployable_without_labels_only() {
    on_builds(async |builds| {
        let refused = deploy(builds, "role=web", batch_of(1)).await.unwrap_err();
        assert_eq!(
            refused,
            FleetMismatch::Nobody {
                selector: "role=web".parse().unwrap(),
                hosts: 0,
                known: Vec::new(),
            }
        );
        assert_eq!(
            deploy(builds, "", batch_of(50)).await,
            Ok(1),
            "a refusal uses up no number"
        );
    });
}

#[test]
fn labels_that_no_host_has_are_refused_with_those_that_hosts_have() {
    on_builds(async |builds| {
        let canary = r#"{"ring": "canary"}"#;
        told(
            builds,
            &[("h1", canary, true), ("h2", r#"{"ring": "fleet"}"#, true)],
        )
        .await;
        let refused = deploy(builds, "ring=cannary", RolloutPolicy::default()).await;
        let Err(FleetMismatch::Nobody { hosts: 2, known, .. }) = refused else {
            panic!("{refused:?}")
        };
        let first: Vec<_> = known[..2].iter().map(|label| label.value.as_str()).collect();
        assert_eq!(first, ["canary", "fleet"]);
        let contradiction = deploy(builds, "ring=canary,ring=fleet", RolloutPolicy::default()).await;
        assert!(matches!(contradiction, Err(FleetMismatch::Nobody { .. })));
        for labels in ["ring=canary", "ring=fleet", "region=east,!role"] {
            assert!(
                deploy(builds, labels, RolloutPolicy::default()).await.is_ok(),
                "{labels}"
            );
        }
        told(builds, &[("h1", canary, false)]).await;
        builds.retire_instance("east.h1", &actor(), "gone").await.unwrap();
        let retired = deploy(builds, "ring=canary", RolloutPolicy::default()).await;
        assert!(
            matches!(retired, Err(FleetMismatch::Nobody { hosts: 1, .. })),
            "{retired:?}"
        );
    });
}

#[test]
fn a_batch_or_threshold_above_the_fleet_is_refused_with_the_fleets_size() {
    on_builds(async |builds| {
        told(builds, &[("h1", "{}", true), ("h2", r#"{"role": "web"}"#, true)]).await;
        let too_large = |name, asked, hosts| Err(FleetMismatch::TooLarge { name, asked, hosts });
        assert_eq!(
            deploy(builds, "", batch_of(3)).await,
            too_large("batch_size", 3, 2)
        );
        assert_eq!(
            deploy(builds, "role=web", batch_of(2)).await,
            too_large("batch_size", 2, 1)
        );
        let lenient = RolloutPolicy {
            failure_threshold: Share::Count(9),
            ..RolloutPolicy::default()
        };
        assert_eq!(
            deploy(builds, "", lenient).await,
            too_large("failure_threshold", 9, 2)
        );
        assert_eq!(deploy(builds, "", batch_of(2)).await, Ok(1));
    });
}

#[test]
fn a_release_that_cannot_wait_beside_what_runs_is_refused_and_says_which_one_runs_alone() {
    on_builds(async |builds| {
        let blue_green = RolloutPolicy {
            strategy: Strategy::BlueGreen,
            ..RolloutPolicy::default()
        };
        let artifact = builds.verified(1).await;
        let alone = async || {
            let new = NewDeployment {
                policy: blue_green.clone(),
                ..new_deployment(&artifact)
            };
            match builds.deploy(&new).await {
                Err(Error::NoOverlap { release, .. }) => Some(release),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(alone().await, Some(None), "its own spec says so");
        let first = builds.deploy(&new_deployment(&artifact)).await.unwrap();
        builds.run("UPDATE deployments SET state = 'SUCCEEDED'").await;
        let spec = serde_json::json!({ "target": "//web:web", "command": ["bin/web"], "overlap": "always" });
        let spec = serde_json::from_value(spec).unwrap();
        builds.put_service(&service(), &spec, &actor()).await.unwrap();
        assert_eq!(alone().await, Some(Some(first.release)));

        // Once what runs may overlap too, it may be.
        let next = builds.deploy(&new_deployment(&artifact)).await.unwrap();
        builds.run("UPDATE deployments SET state = 'SUCCEEDED'").await;
        assert_eq!(next.release, ReleaseNumber(first.release.0 + 1));
        let new = NewDeployment {
            policy: blue_green.clone(),
            ..new_deployment(&artifact)
        };
        assert_eq!(builds.deploy(&new).await.unwrap().state, DeploymentState::Pending);
    });
}
