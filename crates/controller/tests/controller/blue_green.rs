//! Green beside blue everywhere, and then everybody at the same time.

use crate::support::{HOSTS, World, eventually};
use database::builds::DeploymentRow;
use model::instance::TaskState::{Error, Healthy, Staged, Starting, Warm};
use model::rollout::Strategy;
use model::{DeploymentState, RolloutPolicy, Share};

/// None may fail.
fn blue_green() -> RolloutPolicy {
    RolloutPolicy {
        strategy: Strategy::BlueGreen,
        failure_threshold: Share::Count(0),
        ..RolloutPolicy::default()
    }
}

/// A second release beside a first one that everybody runs, staged everywhere.
async fn staged(world: &World) -> DeploymentRow {
    world.let_overlap().await;
    world.succeeded(1).await;
    let next = world.artifact(2).await;
    world.verify(&next).await;
    let deployment = world.deploy(&next, blue_green()).await;
    for name in ["east", "west"] {
        let told = world.told(name, &deployment, Some(0)).await;
        assert!(!told.layers[0].warm, "not before all have the bytes");
        world.hosts_say(name, &told, [Staged, Staged]).await;
    }
    deployment
}

#[tokio::test]
async fn nobody_switches_before_everybody_everywhere_is_warm_and_then_all_do_at_once() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    let deployment = staged(&world).await;
    let east = world.told_warm("east", &deployment).await;
    let west = world.told_warm("west", &deployment).await;
    world.hosts_say("east", &east, [Warm, Warm]).await;
    world.hosts_say("west", &west, [Warm, Starting]).await;
    eventually("it says whom it waits for", async || {
        let row = world.builds.deployment(deployment.id).await.unwrap().unwrap();
        let words = row.waits_for.unwrap_or_default();
        (words.contains("3 of 4 hosts have it ready, without a request") && words.contains("west 1"))
            .then_some(())
    })
    .await;
    assert_eq!(
        world.desired("east").await,
        Some(east),
        "one host holds all others up"
    );
    world.hosts_say("west", &west, [Warm, Warm]).await;
    for name in ["east", "west"] {
        let told = world.told(name, &deployment, Some(HOSTS.into())).await;
        world.hosts_say(name, &told, [Healthy, Healthy]).await;
    }
    let row = world.reaches(&deployment, DeploymentState::Succeeded).await;
    let waves: Vec<_> = row.waves.iter().map(|wave| wave.name.as_str()).collect();
    assert_eq!(waves, ["green beside blue", "the switch"]);
    let cutover = row.spec.cutover;
    assert_eq!(
        cutover.warm_seconds, 300,
        "blue stays for as long as green is judged"
    );
    assert!(!world.told("east", &deployment, None).await.layers[0].warm);

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_green_that_fails_beside_blue_ends_the_deployment_before_anybody_switches() {
    let world = World::new().await;
    let (stop, running) = world.start_controller().await;
    let deployment = staged(&world).await;
    let (east, west) = (
        world.told_warm("east", &deployment).await,
        world.told_warm("west", &deployment).await,
    );
    world.hosts_say("west", &west, [Warm, Warm]).await;
    world.hosts_say("east", &east, [Error, Warm]).await;
    let row = world.reaches(&deployment, DeploymentState::Failed).await;
    let reason = row.reason.unwrap();
    assert!(
        reason.contains("1 of 4 hosts failed") && reason.contains("host-0: it does not start"),
        "{reason}"
    );
    for name in ["east", "west"] {
        let told = eventually("a region is told to let it go", async || {
            let desired = world.desired(name).await?;
            (!desired.newest()?.warm).then_some(desired)
        })
        .await;
        assert_eq!(told.layers[0].cursor.hosts, Some(0));
    }
    assert_eq!(
        world.builds.deploy_holds().await.unwrap(),
        [],
        "nothing had to be taken back"
    );

    stop.cancel();
    running.await.unwrap();
}
