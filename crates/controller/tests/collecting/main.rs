//! The collector on a real Postgres and real stores.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

mod world;

use artifact_store::{Patience, Store};
use controller::collector::{Collector, Schedule, Settings};
use model::ArtifactId;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use world::{World, client, config};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_withdrawn_leaves_every_store_and_can_be_built_again() {
    let world = World::new().await;
    let artifact = world.built().await;
    let settled = world.collector(Duration::ZERO);
    assert_eq!(settled.pass().await.unwrap(), 0, "nothing was withdrawn");
    assert_eq!(world.copies(&artifact).await, 3);

    assert_eq!(world.withdraw_all().await, 1);
    let early = world.collector(Duration::from_secs(3_600));
    assert_eq!(early.pass().await.unwrap(), 0, "a copy may still arrive");
    assert_eq!(world.copies(&artifact).await, 0);
    for store in world.stores() {
        assert_eq!(store.unfinished("").await.unwrap(), []);
    }
    assert_eq!(settled.pass().await.unwrap(), 1);
    assert_eq!(world.builds.withdrawn_count().await.unwrap(), 0);
    // The same commit and target is a new build now.
    assert_eq!(world.built().await, artifact);
    assert_eq!(world.copies(&artifact).await, 3);
    assert_eq!(settled.pass().await.unwrap(), 0);
    assert_eq!(world.copies(&artifact).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_running_build_means_to_publish_stays_in_every_store() {
    let world = World::new().await;
    let artifact = world.built().await;
    let running = world.claimed(true).await;
    assert!(
        world
            .jobs
            .set_out(running.build, running.lease, &artifact)
            .await
            .unwrap()
    );
    assert_eq!(world.withdraw_all().await, 1);
    let collector = world.collector(Duration::ZERO);
    assert_eq!(collector.pass().await.unwrap(), 0);
    assert_eq!(world.copies(&artifact).await, 3);
    world.jobs.fail(running.build, running.lease, "no").await.unwrap();
    assert_eq!(collector.pass().await.unwrap(), 1);
    assert_eq!(world.copies(&artifact).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_is_built_again_meanwhile_is_not_removed() {
    let world = World::new().await;
    let artifact = world.built().await;
    let running = world.claimed(true).await;
    // It makes the same bytes, and has found them in the main store.
    world
        .jobs
        .set_out(running.build, running.lease, &artifact)
        .await
        .unwrap();
    world.withdraw_all().await;
    let collector = world.collector(Duration::ZERO);
    let succeeded = async {
        world
            .jobs
            .succeed(running.build, running.lease, &artifact, 11)
            .await
            .unwrap();
    };
    // Before, while and after it ends.
    let (passed, ()) = tokio::join!(collector.pass(), succeeded);
    assert_eq!(passed.unwrap(), 0);
    assert_eq!(collector.pass().await.unwrap(), 0);
    world.record(running, artifact, 11).await;
    assert_eq!(collector.pass().await.unwrap(), 0);
    assert_eq!(world.copies(&artifact).await, 3);
    let replicas = world.builds.replicas(&artifact).await;
    assert_eq!(replicas.unwrap().len(), 2, "it is copied again");
}

async fn withdrawn() -> (World, ArtifactId) {
    let world = World::new().await;
    let artifact = world.built().await;
    world.withdraw_all().await;
    (world, artifact)
}

/// Accepts connections and never answers.
async fn silence() -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let holding = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    (address, holding)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_crashes_between_the_stores_is_gone_on_with() {
    let (world, artifact) = withdrawn().await;
    let (silent, holding) = silence().await;
    let crashing = world.collector_of(client(&silent, "main"), Duration::ZERO);
    let crashed = tokio::spawn(async move { crashing.pass().await });
    let in_regions_no_more = async {
        while world.copies(&artifact).await > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(30), in_regions_no_more).await;
    seen.unwrap();
    crashed.abort();
    assert!(crashed.await.unwrap_err().is_cancelled());
    holding.abort();

    let running = world.claimed(true).await;
    let next = world.collector(Duration::ZERO);
    assert_eq!(next.pass().await.unwrap(), 0, "the other may still be at it");
    assert_eq!(world.copies(&artifact).await, 1);
    world.removals_are_over().await;
    assert_eq!(next.pass().await.unwrap(), 1);
    assert_eq!(world.copies(&artifact).await, 0);
    let free = world.jobs.set_out(running.build, running.lease, &artifact).await;
    assert!(free.unwrap(), "it may be published again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_away_keeps_the_main_store_and_holds_up_no_build_for_long() {
    let (world, artifact) = withdrawn().await;
    let mut without_west = world.regions.clone();
    // Nobody listens on port 1.
    let west = Patience {
        attempts_max: 1,
        ..Patience::default()
    };
    let west = Store::with_patience(&config("http://127.0.0.1:1", "west"), west).unwrap();
    without_west.insert("west".parse().unwrap(), west);
    let settings = Settings {
        main: world.main.clone(),
        regions: without_west,
        settle: Duration::ZERO,
        schedule: None,
    };
    let collector = Collector::new(settings, world.jobs.clone(), world.builds.clone());
    assert_eq!(collector.pass().await.unwrap(), 0);
    assert_eq!(world.copies(&artifact).await, 2, "west's and the main one");

    let running = world.claimed(true).await;
    let set_out = || world.jobs.set_out(running.build, running.lease, &artifact);
    assert!(!set_out().await.unwrap());
    world.removals_are_over().await;
    assert_eq!(collector.pass().await.unwrap(), 0, "a build waits");
    assert!(set_out().await.unwrap());
    world.succeed(running, artifact, 11).await;
    assert_eq!(world.collector(Duration::ZERO).pass().await.unwrap(), 0);
    assert_eq!(world.copies(&artifact).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_collectors_at_once_collect_each_artifact_once() {
    let world = World::new().await;
    let mut artifacts = Vec::new();
    for commit in 0..6 {
        artifacts.push(world.built_at(commit).await);
    }
    assert_eq!(world.withdraw_all().await, 6);
    let (one, other) = (world.collector(Duration::ZERO), world.collector(Duration::ZERO));
    let (first, second) = tokio::join!(one.pass(), other.pass());
    assert_eq!(first.unwrap() + second.unwrap(), 6);
    for artifact in artifacts {
        assert_eq!(world.copies(&artifact).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_withdraws_by_itself_what_it_lets_go_and_nothing_else() {
    let world = World::new().await;
    let artifact = world.built().await;
    let collector = world.collector(Duration::ZERO);
    let keeping = retention::Policy::default();
    assert_eq!(
        collector.withdraw(&keeping).await.unwrap(),
        0,
        "it is among the newest"
    );
    let greedy = retention::Policy {
        newest_artifacts: 0,
        keep_days: 0,
        ..retention::Policy::default()
    };
    let running = world.claimed(true).await;
    assert_eq!(
        collector.withdraw(&greedy).await.unwrap(),
        0,
        "it is being built again"
    );
    world.jobs.fail(running.build, running.lease, "no").await.unwrap();
    assert_eq!(collector.withdraw(&greedy).await.unwrap(), 1);
    assert_eq!(collector.pass().await.unwrap(), 1);
    assert_eq!(world.copies(&artifact).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_with_a_schedule_collects_while_it_leads() {
    let world = World::new().await;
    let artifact = world.built().await;
    let schedule = Schedule {
        policy: retention::Policy {
            newest_artifacts: 0,
            keep_days: 0,
            ..retention::Policy::default()
        },
        every: Duration::from_secs(3_600),
    };
    let stop = CancellationToken::new();
    let running = tokio::spawn(world.scheduled(schedule).run(stop.clone()));
    let gone = async {
        while world.copies(&artifact).await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
    stop.cancel();
    running.await.unwrap();
}
