use crate::support::{World, eventually};
use model::instance::TaskState::{Error, Healthy, Lost, Staged};
use model::{DeploymentState, RolloutPolicy, Share};

/// One host at a time, and none may fail.
fn careful() -> RolloutPolicy {
    RolloutPolicy {
        batch_size: Share::Count(1),
        failure_threshold: Share::Count(0),
        ..RolloutPolicy::default()
    }
}

#[tokio::test]
async fn a_deployment_goes_from_confirmed_to_succeeded_one_host_after_the_other() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    let artifact = world.artifact(1).await;
    let deployment = world.deploy(&artifact, careful()).await;
    assert_eq!(
        world.desired("east").await,
        None,
        "nothing is told before a replica is verified"
    );

    world.verify(&artifact).await;
    let east = world.told("east", &deployment, Some(0)).await;
    let west = world.told("west", &deployment, Some(0)).await;
    world.hosts_say("east", &east, [Staged, Staged]).await;
    world.hosts_say("west", &west, [Staged, Staged]).await;

    let staged_at = east.epoch;
    let east = world.told("east", &deployment, Some(1)).await;
    assert!(east.epoch > staged_at, "a cursor that moves has a larger epoch");
    assert_eq!(
        world.desired("west").await,
        Some(west.clone()),
        "a batch of one is one host of one region"
    );
    world.reaches(&deployment, DeploymentState::Wave).await;
    world.hosts_say("east", &east, [Healthy, Staged]).await;
    let west = world.told("west", &deployment, Some(1)).await;
    world.hosts_say("west", &west, [Healthy, Staged]).await;
    let east = world.told("east", &deployment, Some(2)).await;
    world.hosts_say("east", &east, [Healthy, Healthy]).await;
    let west = world.told("west", &deployment, Some(2)).await;
    world.hosts_say("west", &west, [Healthy, Healthy]).await;
    world.reaches(&deployment, DeploymentState::Succeeded).await;
    world.told("east", &deployment, None).await;
    world.told("west", &deployment, None).await;

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_release_that_fails_on_a_host_that_was_well_is_taken_back_by_itself() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    let good = world.succeeded(1).await;
    let bad = world.artifact(2).await;
    world.verify(&bad).await;
    let deployment = world.deploy(&bad, careful()).await;
    let east = world.told("east", &deployment, Some(0)).await;
    let west = world.told("west", &deployment, Some(0)).await;
    assert_eq!(
        east.layers[1].release, good.release,
        "whose turn has not come runs what ran"
    );
    world.hosts_say("east", &east, [Staged, Staged]).await;
    world.hosts_say("west", &west, [Staged, Staged]).await;
    let east = world.told("east", &deployment, Some(1)).await;
    world.hosts_say("east", &east, [Error, Staged]).await;

    let left = world.reaches(&deployment, DeploymentState::RollingBack).await;
    let reason = left.reason.unwrap();
    for part in ["1 of 4 hosts failed", "host-0: it does not start"] {
        assert!(reason.contains(part), "{reason}");
    }
    let back = world.newest().await;
    assert_eq!(
        (back.artifact, back.release.0),
        (good.artifact, 3),
        "old bytes, new release"
    );
    let hold = world.builds.deploy_holds().await.unwrap().remove(0);
    assert!(hold.reason.contains("1 of 4 hosts failed"), "{hold:?}");

    for region in ["east", "west"] {
        let told = eventually("a region is told to go back", async || {
            let desired = world.desired(region).await?;
            (desired.newest()?.deployment == back.id).then_some(desired)
        })
        .await;
        assert!(
            told.layers[1].runs_the_same(&told.layers[0]),
            "who never left has nothing to change"
        );
        world.hosts_say(region, &told, [Healthy, Healthy]).await;
    }
    world.reaches(&back, DeploymentState::Succeeded).await;
    world.reaches(&deployment, DeploymentState::RolledBack).await;

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_host_that_was_broken_before_counts_against_nobody() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    world.succeeded(1).await;
    let next = world.artifact(2).await;
    world.verify(&next).await;
    let deployment = world.deploy(&next, careful()).await;
    let (east, west) = (
        world.told("east", &deployment, Some(0)).await,
        world.told("west", &deployment, Some(0)).await,
    );
    // What fails is still the release before.
    world.hosts_say_ill("east", &east, [Staged, Staged], &[0]).await;
    world.hosts_say("west", &west, [Staged, Staged]).await;
    let east = world.told("east", &deployment, Some(1)).await;
    world.hosts_say("east", &east, [Error, Staged]).await;
    let west = world.told("west", &deployment, Some(1)).await;
    world.hosts_say("west", &west, [Healthy, Staged]).await;
    let east = world.told("east", &deployment, Some(2)).await;
    world.hosts_say("east", &east, [Error, Healthy]).await;
    let west = world.told("west", &deployment, Some(2)).await;
    world.hosts_say("west", &west, [Healthy, Healthy]).await;
    world.reaches(&deployment, DeploymentState::Succeeded).await;

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn nothing_is_expanded_while_a_host_that_has_the_release_is_not_heard_of() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    let artifact = world.artifact(1).await;
    world.verify(&artifact).await;
    let deployment = world.deploy(&artifact, careful()).await;
    let east = world.told("east", &deployment, Some(0)).await;
    let west = world.told("west", &deployment, Some(0)).await;
    world.hosts_say("east", &east, [Staged, Staged]).await;
    world.hosts_say("west", &west, [Staged, Staged]).await;
    let east = world.told("east", &deployment, Some(1)).await;
    world.hosts_say("east", &east, [Healthy, Staged]).await;
    let west = world.told("west", &deployment, Some(1)).await;
    world.hosts_say("west", &west, [Lost, Staged]).await;

    eventually("it says why it waits", async || {
        let row = world.builds.deployment(deployment.id).await.unwrap().unwrap();
        let words = row.waits_for.unwrap_or_default();
        words
            .contains("while 1 hosts that have it are not heard of: west 1")
            .then_some(())
    })
    .await;
    world.hosts_say("west", &west, [Healthy, Staged]).await;
    world.told("east", &deployment, Some(2)).await;

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_region_whose_etcd_was_away_is_told_the_newest_when_it_is_back() {
    let mut world = World::new().await;
    let (stop, running) = world.start_controller().await;
    world.stop_etcd("west").await;
    let first = world.artifact(1).await;
    world.verify(&first).await;
    let old = world.deploy(&first, RolloutPolicy::default()).await;
    world.told("east", &old, Some(0)).await;
    let second = world.artifact(2).await;
    world.verify(&second).await;
    let new = world.deploy(&second, RolloutPolicy::default()).await;
    let east = world.told("east", &new, Some(0)).await;

    world.start_etcd("west").await;
    assert_eq!(world.told("west", &new, Some(0)).await, east);
    world.reaches(&old, DeploymentState::Superseded).await;

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_region_whose_etcd_is_away_for_the_whole_rollout_holds_up_no_other_and_catches_up() {
    let mut world = World::new().await;
    let (stop, running) = world.start_controller().await;
    world.succeeded(1).await;
    world.stop_etcd("west").await;
    let next = world.artifact(2).await;
    world.verify(&next).await;
    let policy = RolloutPolicy {
        staging_limit_seconds: 1,
        ..careful()
    };
    let deployment = world.deploy(&next, policy).await;
    let east = world.told("east", &deployment, Some(0)).await;
    world.hosts_say("east", &east, [Staged, Staged]).await;
    let east = world.told("east", &deployment, Some(1)).await;
    world.hosts_say("east", &east, [Healthy, Staged]).await;
    let east = world.told("east", &deployment, Some(2)).await;
    world.hosts_say("east", &east, [Healthy, Healthy]).await;
    eventually("it says whom it waits for", async || {
        let row = world.builds.deployment(deployment.id).await.unwrap().unwrap();
        let words = row.waits_for.unwrap_or_default();
        let waits = words.contains("2 of 2 hosts have it") && words.contains("west could not be told yet");
        waits.then_some(())
    })
    .await;

    world.start_etcd("west").await;
    let west = world.told("west", &deployment, Some(0)).await;
    world.hosts_say("west", &west, [Staged, Staged]).await;
    let west = world.told("west", &deployment, Some(1)).await;
    world.hosts_say("west", &west, [Healthy, Staged]).await;
    let west = world.told("west", &deployment, Some(2)).await;
    world.hosts_say("west", &west, [Healthy, Healthy]).await;
    world.reaches(&deployment, DeploymentState::Succeeded).await;

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_deployment_that_does_not_converge_fails_at_its_deadline_and_says_why() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    let artifact = world.artifact(1).await;
    world.verify(&artifact).await;
    let policy = RolloutPolicy {
        deadline_seconds: 5,
        ..RolloutPolicy::default()
    };
    let deployment = world.deploy(&artifact, policy).await;
    let east = world.told("east", &deployment, Some(0)).await;
    world.hosts_say("east", &east, [Staged, Error]).await;

    let failed = world.reaches(&deployment, DeploymentState::Failed).await;
    let reason = failed.reason.unwrap();
    for part in [
        "deadline",
        "east 1 of 2 hosts staged",
        "host-1: it does not start",
        "west is silent",
    ] {
        assert!(reason.contains(part), "{reason}");
    }

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_second_controller_takes_over_when_the_first_ends() {
    let world = World::new().await;
    let (stop_first, first) = world.start_controller().await;
    let (stop_second, second) = world.start_controller().await;
    let artifact = world.artifact(1).await;
    world.verify(&artifact).await;
    let deployment = world.deploy(&artifact, RolloutPolicy::default()).await;
    world.told("east", &deployment, Some(0)).await;
    stop_first.cancel();
    first.await.unwrap();

    let artifact = world.artifact(2).await;
    world.verify(&artifact).await;
    let next = world.deploy(&artifact, RolloutPolicy::default()).await;
    let west = world.told("west", &next, Some(0)).await;
    world.hosts_say("west", &west, [Staged, Staged]).await;
    world.reaches(&next, DeploymentState::Staging).await;

    stop_second.cancel();
    second.await.unwrap();
}

#[tokio::test]
async fn what_waits_for_a_deployment_begins_by_itself_when_that_has_ended() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    let first = world.artifact(1).await;
    world.verify(&first).await;
    let first = world.deploy(&first, careful()).await;
    world.told("east", &first, Some(0)).await;
    let second = world.artifact(2).await;
    world.verify(&second).await;
    let second = world.queue(&second, careful()).await;
    assert!(second.is_queued());
    let by = "ada@example.org".parse().unwrap();
    world.builds.cancel_deployment(first.id, &by).await.unwrap();
    world.told("east", &second, Some(0)).await;
    world.told("west", &second, Some(0)).await;

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_rollback_has_not_succeeded_before_every_region_has_counted_its_hosts() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    world.succeeded(1).await;
    world.succeeded(2).await;
    let wish = database::builds::RollBack {
        service: crate::support::web(),
        to: None,
        actor: "ada@example.org".parse().unwrap(),
        reason: "it is slow".to_owned(),
        only_from: None,
    };
    let back = world.builds.roll_back(&wish).await.unwrap();
    world.told("east", &back, Some(0)).await;
    eventually("it says what it waits for", async || {
        let row = world.builds.deployment(back.id).await.unwrap().unwrap();
        assert!(!row.state.is_terminal(), "nobody was told yet: {row:?}");
        let words = row.waits_for.unwrap_or_default();
        (words.contains("east is silent") && words.contains("west is silent")).then_some(())
    })
    .await;

    stop.cancel();
    running.await.unwrap();
}
