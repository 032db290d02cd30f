//! Releases that become unhealthy after they have succeeded.

use crate::support::{HOSTS, World, eventually};
use database::builds::DeploymentRow;
use model::instance::TaskState::{self, Error, Healthy, Lost, Staged};
use model::{DeploymentState, RegionService, RolloutPolicy, Share};

/// A host that is unwell for a second has failed, and none may.
fn impatient(auto_rollback: bool) -> RolloutPolicy {
    RolloutPolicy {
        batch_size: Share::ALL,
        failure_threshold: Share::Count(0),
        healthy_deadline_seconds: 1,
        unknown_deadline_seconds: 1,
        auto_rollback,
        ..RolloutPolicy::default()
    }
}

/// A second release that everybody runs, and what the regions were told in the end.
async fn two_releases(world: &World, policy: RolloutPolicy) -> (DeploymentRow, [RegionService; 2]) {
    world.succeeded(1).await;
    let artifact = world.artifact(2).await;
    world.verify(&artifact).await;
    let row = world.deploy(&artifact, policy).await;
    for (cursor, state) in [(Some(0), Staged), (Some(HOSTS.into()), Healthy)] {
        for region in ["east", "west"] {
            let told = world.told(region, &row, cursor).await;
            world.hosts_say(region, &told, [state; HOSTS as usize]).await;
        }
    }
    let row = world.reaches(&row, DeploymentState::Succeeded).await;
    let told = [
        world.told("east", &row, None).await,
        world.told("west", &row, None).await,
    ];
    (row, told)
}

async fn east_says(world: &World, east: &RegionService, states: [TaskState; HOSTS as usize]) {
    world.hosts_say("east", east, states).await;
}

#[tokio::test]
async fn a_release_that_becomes_unhealthy_later_is_taken_back_by_itself() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    let (bad, [east, _]) = two_releases(&world, impatient(true)).await;
    east_says(&world, &east, [Error, Healthy]).await;
    let back = eventually("it is rolled back", async || {
        let newest = world.newest().await;
        (newest.id != bad.id).then_some(newest)
    })
    .await;
    assert_eq!((back.release.0, back.artifact.0), (3, [1; 32]));
    let hold = world.builds.deploy_holds().await.unwrap().remove(0);
    let words = "1 of 4 hosts became unhealthy after it had succeeded";
    assert!(hold.reason.contains(words), "{hold:?}");
    assert!(
        hold.reason.contains("east 1 (host-0: it does not start)"),
        "{hold:?}"
    );

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn where_nothing_is_rolled_back_by_itself_an_alarm_says_so() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    let (bad, [east, _]) = two_releases(&world, impatient(false)).await;
    east_says(&world, &east, [Error, Error]).await;
    let alarm = eventually("an alarm is raised", async || {
        let row = world.builds.deployment(bad.id).await.unwrap().unwrap();
        row.alarm
    })
    .await;
    assert!(alarm.contains("2 of 4 hosts"), "{alarm}");
    assert_eq!(world.newest().await.id, bad.id);

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn hosts_that_vanish_after_it_has_succeeded_take_nothing_back() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    let (good, [east, west]) = two_releases(&world, impatient(true)).await;
    east_says(&world, &east, [Lost, Lost]).await;
    // Whoever tells of trouble later is looked at after those who vanished.
    world.hosts_say("west", &west, [Healthy, Error]).await;
    eventually("the failure is seen", async || {
        (world.newest().await.id != good.id).then_some(())
    })
    .await;
    let hold = world.builds.deploy_holds().await.unwrap().remove(0);
    assert!(
        hold.reason.starts_with("1 of 4 hosts"),
        "those that vanished don't count: {hold:?}"
    );

    stop.cancel();
    running.await.unwrap();
}
