//! From a build that succeeded to verified replicas, between a real Postgres and real S3 servers.
#![allow(
    clippy::unwrap_used,
    clippy::large_futures,
    reason = "a test that cannot build its world should fail; its futures may be large"
)]

mod common;

use artifact_store::{PART_LENGTH, Verification};
use common::{LIMIT, S3, World, put_content, region, whole};
use model::ReplicaState;
use std::time::Duration;
use synchronizer::ReplicatedBy;

const ALL_VERIFIED: [ReplicaState; 2] = [ReplicaState::Verified, ReplicaState::Verified];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_built_is_verified_in_every_region_and_comes_back_where_it_was_lost() {
    let mut world = World::new().await;
    let (stop, running) = world.start();
    let artifact = world.build().await;
    world.replicas_become(&artifact, ALL_VERIFIED).await;
    for store in [world.near.store("east").await, world.far.store("west").await] {
        assert_eq!(store.verify(&artifact).await.unwrap(), Verification::Matches);
    }

    // Nobody is told; the next comparison finds out, and the replicator copies again.
    let before = world.builds.replicas(&artifact).await.unwrap();
    world.far = world.far.lose_everything("west").await;
    let lost = async {
        loop {
            let now = world.builds.replicas(&artifact).await.unwrap();
            if now[1].verified_at > before[1].verified_at {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let now = tokio::time::timeout(LIMIT, lost)
        .await
        .expect("the replica comes back");
    assert_eq!(
        now[0].verified_at, before[0].verified_at,
        "the other region lost nothing"
    );
    let west = world.far.store("west").await;
    assert_eq!(west.verify(&artifact).await.unwrap(), Verification::Matches);

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_whose_store_is_away_holds_up_no_other_and_catches_up() {
    let world = World::new().await;
    let (root, address) = (world.far.root.clone(), world.far.address);
    world.far.stop.cancel();
    let (stop, running) = world.start();
    let artifact = world.build().await;
    let others = async {
        loop {
            let replicas = world.builds.replicas(&artifact).await.unwrap();
            let states: Vec<_> = replicas.iter().map(|replica| replica.state).collect();
            if let [ReplicaState::Verified, west] = states[..] {
                assert_ne!(west, ReplicaState::Verified);
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, others)
        .await
        .expect("east is verified");
    let _again = S3::start(root, address).await;
    world.replicas_become(&artifact, ALL_VERIFIED).await;

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_was_away_copies_from_the_nearest_that_has_it() {
    let world = World::new().await;
    let (root, address) = (world.far.root.clone(), world.far.address);
    world.far.stop.cancel();
    let mut config = world.config();
    config.regions.get_mut(&region("west")).unwrap().near = Some(vec![region("east")]);
    let (stop, running) = world.start_with(config);
    let artifact = world.build().await;
    let east_has_it = async {
        while world.builds.regions_with(&artifact).await.unwrap() != [region("east")] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, east_has_it)
        .await
        .expect("east has it");
    // The main store loses the content: from there nobody can copy any more.
    let stored = world.main.get_manifest(&artifact).await.unwrap().unwrap();
    let blobs = world.near.root.join("buckets/main/data");
    std::fs::rename(&blobs, blobs.with_file_name("lost")).unwrap();
    assert!(world.main.read(&stored.content_key, 0..1).await.is_err());

    let _again = S3::start(root, address).await;
    world.replicas_become(&artifact, ALL_VERIFIED).await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_replicates_by_itself_is_only_watched() {
    let world = World::new().await;
    let mut config = world.config();
    let west = config.regions.get_mut(&region("west")).unwrap();
    west.replicated_by = ReplicatedBy::TheStore;
    let (stop, running) = world.start_with(config);
    let artifact = world.build().await;
    world
        .replicas_become(&artifact, [ReplicaState::Verified, ReplicaState::Pending])
        .await;
    let store = world.far.store("west").await;
    assert_eq!(store.verify(&artifact).await.unwrap(), Verification::Absent);
    // The store brings the objects there under their own keys, the manifest last.
    let stored = world.main.get_manifest(&artifact).await.unwrap().unwrap();
    let content = whole(&world.main, &stored).await;
    put_content(&store, &stored.content_key, &content).await;
    store.put_manifest(&stored).await.unwrap();
    world.replicas_become(&artifact, ALL_VERIFIED).await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replicator_that_is_cut_off_is_followed_by_one_that_goes_on_where_it_was() {
    let world = World::new().await;
    let mut config = world.config();
    // The second part has to wait for half a minute.
    config.copy_bytes_per_second = std::num::NonZeroU64::new(PART_LENGTH / 30);
    let (_stop, running) = world.start_with(config);
    let artifact = world.build().await;
    world
        .west_becomes(&artifact, |replica| replica.copied_bytes > 0)
        .await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    let store = world.far.store("west").await;
    let left = store.unfinished("").await.unwrap().remove(0);
    let there = store.parts(&left.ticket).await.unwrap();
    assert_eq!(there.len(), 1);

    let (stop, running) = world.start();
    world.replicas_become(&artifact, ALL_VERIFIED).await;
    let record = world.far.root.join("buckets/west/objects");
    let kept = there[0].etag.trim_matches('"').to_owned();
    let is_used = std::fs::read_dir(record).unwrap().any(|entry| {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        text.replace('-', "").contains(&kept)
    });
    assert!(is_used, "the part that was there was sent again");
    stop.cancel();
    running.await.unwrap();
}
