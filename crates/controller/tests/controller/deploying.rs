use crate::support::{World, eventually};
use model::DeploymentState;
use model::deployment::Directive;
use model::instance::TaskState::{Error, Healthy, Staged};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_deployment_goes_from_confirmed_to_succeeded_as_its_hosts_report() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    let artifact = world.artifact(1).await;
    let deployment = world.deploy(&artifact, HOUR).await;
    assert_eq!(
        world.desired("east").await,
        None,
        "nothing is told before a replica is verified"
    );

    world.verify(&artifact).await;
    let east = world.told("east", &deployment, Directive::Stage).await;
    let west = world.told("west", &deployment, Directive::Stage).await;
    world.reaches(&deployment, DeploymentState::Staging).await;
    world.hosts_say("east", &east, [Staged, Staged]).await;
    world.hosts_say("west", &west, [Staged, Staged]).await;

    let staged_at = east.epoch;
    let east = world.told("east", &deployment, Directive::Activate).await;
    let west = world.told("west", &deployment, Directive::Activate).await;
    assert!(
        east.epoch > staged_at,
        "an order has a larger epoch than the one before"
    );
    world.reaches(&deployment, DeploymentState::Activating).await;
    world.hosts_say("east", &east, [Healthy, Healthy]).await;
    world.hosts_say("west", &west, [Healthy, Error]).await;
    world.hosts_say("west", &west, [Healthy, Healthy]).await;
    world.reaches(&deployment, DeploymentState::Succeeded).await;

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
    let old = world.deploy(&first, HOUR).await;
    world.told("east", &old, Directive::Stage).await;
    let second = world.artifact(2).await;
    world.verify(&second).await;
    let new = world.deploy(&second, HOUR).await;
    let east = world.told("east", &new, Directive::Stage).await;

    world.start_etcd("west").await;
    assert_eq!(world.told("west", &new, Directive::Stage).await, east);
    world.reaches(&old, DeploymentState::Superseded).await;

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_deployment_with_an_unhealthy_host_fails_at_its_deadline_and_says_why() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    let artifact = world.artifact(1).await;
    world.verify(&artifact).await;
    let deployment = world.deploy(&artifact, Duration::from_secs(5)).await;
    let east = world.told("east", &deployment, Directive::Stage).await;
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
    let deployment = world.deploy(&artifact, HOUR).await;
    world.told("east", &deployment, Directive::Stage).await;
    stop_first.cancel();
    first.await.unwrap();

    let artifact = world.artifact(2).await;
    world.verify(&artifact).await;
    let next = world.deploy(&artifact, HOUR).await;
    world.told("west", &next, Directive::Stage).await;
    eventually("the next deployment moves", async || {
        let row = world.builds.deployment(next.id).await.unwrap().unwrap();
        (row.state == DeploymentState::Staging).then_some(())
    })
    .await;

    stop_second.cancel();
    second.await.unwrap();
}
