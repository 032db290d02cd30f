//! Withdrawing artifacts: what is needed is seen, and what is withdrawn can neither be deployed nor copied.

use crate::support::{TestBuilds, actor, artifact, new_deployment, on_builds};
use database::Error;
use database::builds::NewDeployment;
use model::rollout::Wave;
use model::{ArtifactId, DeploymentState};
use std::time::Duration;

const SETTLE: Duration = Duration::from_secs(3_600);

/// Records an artifact that a build made, and returns how to deploy it.
async fn recorded(builds: &TestBuilds, number: u8) -> NewDeployment {
    let made = artifact(number);
    builds.record_artifact(&made).await.unwrap();
    new_deployment(&made)
}

async fn withdraw_all(builds: &TestBuilds) -> Vec<ArtifactId> {
    let all =
        |inventory: database::builds::Inventory| inventory.artifacts.iter().map(|each| each.id).collect();
    builds.withdraw(&actor(), all).await.unwrap()
}

#[test]
fn every_kind_of_reference_is_seen() {
    on_builds(async |builds| {
        let (first, second) = (recorded(builds, 1).await, recorded(builds, 2).await);
        let deployment = builds.deploy(&first).await.unwrap();
        let seen = builds.inventory().await.unwrap();
        assert_eq!(seen.artifacts.len(), 2);
        assert!(seen.references.told.contains_key(&first.artifact));
        assert!(seen.references.in_flight.contains_key(&first.artifact));
        assert!(seen.references.released.is_empty());

        let waves = [Wave::everybody("all")];
        let moved = builds
            .advance_deployment(&deployment, DeploymentState::Succeeded, (0, &waves), "because")
            .await
            .unwrap();
        assert!(moved);
        builds.deploy(&second).await.unwrap();
        let seen = builds.inventory().await.unwrap();
        assert!(!seen.references.in_flight.contains_key(&first.artifact));
        assert_eq!(seen.references.released[0].artifact, first.artifact);
        assert_eq!(seen.references.released[0].newer, 0);
        assert!(seen.references.told.contains_key(&second.artifact));
        // Hosts whose turn has not come run what lies below.
        assert!(seen.references.told.contains_key(&first.artifact));
    });
}

#[test]
fn what_is_withdrawn_is_not_deployed_or_copied_until_it_is_built_again() {
    on_builds(async |builds| {
        let new = recorded(builds, 1).await;
        assert_eq!(withdraw_all(builds).await, [new.artifact]);
        let refused = builds.deploy(&new).await.unwrap_err();
        assert!(matches!(refused, Error::Withdrawn(artifact) if artifact == new.artifact));
        assert!(builds.replicas(&new.artifact).await.unwrap().is_empty());
        // The synchronizer records every build again when it starts.
        recorded(builds, 1).await;
        assert!(builds.replicas(&new.artifact).await.unwrap().is_empty());
        assert!(builds.inventory().await.unwrap().artifacts.is_empty());

        let gone = builds.withdrawn(SETTLE, 10).await.unwrap().remove(0);
        assert_eq!(
            (gone.artifact, gone.builds.as_slice()),
            (new.artifact, &[new.build][..])
        );
        assert!(!builds.removed(&gone, SETTLE).await.unwrap(), "a copy may arrive");
        assert!(
            builds.withdrawn(SETTLE, 10).await.unwrap().is_empty(),
            "not yet again"
        );
        let again = builds.withdrawn(Duration::ZERO, 10).await.unwrap();
        assert_eq!(again, std::slice::from_ref(&gone));
        assert!(builds.removed(&gone, Duration::ZERO).await.unwrap());
        assert!(!builds.removed(&gone, Duration::ZERO).await.unwrap(), "twice");
        assert_eq!(builds.withdrawn_count().await.unwrap(), 0);

        // Another build makes the same bytes.
        let mut again = artifact(1);
        again.build = model::BuildId(uuid::Uuid::now_v7());
        builds.record_artifact(&again).await.unwrap();
        assert!(
            !builds.removed(&gone, Duration::ZERO).await.unwrap(),
            "it is back"
        );
        assert_eq!(builds.replicas(&new.artifact).await.unwrap().len(), 2);
        let deployed = NewDeployment {
            build: again.build,
            ..new
        };
        builds.deploy(&deployed).await.unwrap();
    });
}

#[test]
fn a_deployment_at_the_same_moment_comes_before_the_look_or_is_refused() {
    on_builds(async |builds| {
        for number in 1..=20 {
            let new = recorded(builds, number).await;
            let unneeded = |inventory: database::builds::Inventory| {
                let told = &inventory.references.told;
                let artifacts = inventory.artifacts.iter().map(|each| each.id);
                artifacts
                    .filter(|id| *id == new.artifact && !told.contains_key(id))
                    .collect::<Vec<_>>()
            };
            let by = actor();
            let (withdrawn, deployed) = tokio::join!(builds.withdraw(&by, unneeded), builds.deploy(&new));
            let withdrawn = withdrawn.unwrap();
            match deployed {
                Ok(_) => assert!(withdrawn.is_empty(), "round {number}"),
                Err(Error::Withdrawn(_)) => assert_eq!(withdrawn, [new.artifact], "round {number}"),
                Err(error) => panic!("round {number}: {error}"),
            }
        }
    });
}
