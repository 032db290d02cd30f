//! Publishing, listing and watching against a real etcd.

use crate::common::{World, desired, eventually, within};
use desired_state::{Error, Published};
use etcd_client::Client;
use model::Cursor;
use model::Epoch;
use model::control::{Limits, RegionControls};

#[tokio::test]
async fn what_is_published_is_listed_and_an_epoch_never_goes_back() {
    let world = World::new().await;
    let store = world.connect().await;
    assert_eq!(store.list().await.unwrap().services, []);

    assert_eq!(
        store.publish(&desired("web", 2)).await.unwrap(),
        Published::Written
    );
    assert_eq!(
        store.publish(&desired("web", 2)).await.unwrap(),
        Published::Already
    );
    assert_eq!(
        store.publish(&desired("web", 1)).await.unwrap(),
        Published::Newer(Epoch(2))
    );
    let mut other = desired("web", 2);
    other.layers[0].cursor = Cursor::EVERYBODY;
    assert!(matches!(
        store.publish(&other).await,
        Err(Error::EpochReused { epoch: Epoch(2), .. })
    ));
    assert_eq!(
        store.publish(&desired("api", 9)).await.unwrap(),
        Published::Written
    );
    assert_eq!(
        store.publish(&desired("web", 3)).await.unwrap(),
        Published::Written
    );

    let snapshot = store.list().await.unwrap();
    assert_eq!(snapshot.services, [desired("api", 9), desired("web", 3)]);
    assert_eq!(snapshot.unreadable, Vec::<String>::new());
}

#[tokio::test]
async fn of_many_publishers_at_once_the_largest_epoch_stays() {
    let world = World::new().await;
    let mut publishers = tokio::task::JoinSet::new();
    for epoch in 1..=8 {
        let store = world.connect().await;
        publishers.spawn(async move { store.publish(&desired("web", epoch)).await });
    }
    within("all publications", async {
        while let Some(outcome) = publishers.join_next().await {
            outcome.unwrap().unwrap();
        }
    })
    .await;
    let snapshot = world.connect().await.list().await.unwrap();
    assert_eq!(snapshot.services, [desired("web", 8)]);
}

#[tokio::test]
async fn a_region_sees_only_its_own_services() {
    let world = World::new().await;
    let other = "us-east-10".parse().unwrap();
    let other = desired_state::DesiredState::connect(&[world.etcd.endpoint()], &other)
        .await
        .unwrap();
    other.publish(&desired("web", 1)).await.unwrap();
    assert_eq!(world.connect().await.list().await.unwrap().services, []);
}

#[tokio::test]
async fn an_unreadable_value_is_named_and_hides_nothing_else() {
    let world = World::new().await;
    let store = world.connect().await;
    store.publish(&desired("web", 1)).await.unwrap();
    let mut client = Client::connect([world.etcd.endpoint()], None).await.unwrap();
    let key = "/starling/us-east-1/services/broken";
    client.put(key, "{\"epoch\": 1}", None).await.unwrap();

    let snapshot = store.list().await.unwrap();
    assert_eq!(snapshot.services, [desired("web", 1)]);
    assert_eq!(snapshot.unreadable, [key]);
    let error = store.publish(&desired("broken", 2)).await.unwrap_err();
    assert!(matches!(error, Error::Undecodable { .. }), "{error}");
}

#[tokio::test]
async fn a_watch_hints_at_every_change_after_its_revision() {
    let world = World::new().await;
    let store = world.connect().await;
    let before = store.list().await.unwrap().revision;
    store.publish(&desired("web", 1)).await.unwrap();

    let mut watch = store.watch(before);
    within("a hint of what happened before the watch", watch.changed()).await;
    store.publish(&desired("web", 2)).await.unwrap();
    within("a hint of what happened since", watch.changed()).await;
}

#[tokio::test]
async fn a_watch_from_a_compacted_revision_hints_and_goes_on() {
    let world = World::new().await;
    let store = world.connect().await;
    let before = store.list().await.unwrap().revision;
    for epoch in 1..=5 {
        store.publish(&desired("web", epoch)).await.unwrap();
    }
    let now = store.list().await.unwrap().revision;
    let mut client = Client::connect([world.etcd.endpoint()], None).await.unwrap();
    client.compact(now, None).await.unwrap();

    let mut watch = store.watch(before);
    within("a hint that history is gone", watch.changed()).await;
    store.publish(&desired("web", 6)).await.unwrap();
    within("a hint after the compaction", watch.changed()).await;
}

#[tokio::test]
async fn a_watch_and_a_publisher_outlive_a_restart_of_etcd() {
    let world = World::new().await;
    let store = world.connect().await;
    store.publish(&desired("web", 1)).await.unwrap();
    let mut watch = store.watch(store.list().await.unwrap().revision);
    let hinted = tokio::spawn(async move { watch.changed().await });

    let world = world.restart().await;
    assert_eq!(
        eventually(|| async { store.publish(&desired("web", 1)).await }).await,
        Published::Already,
        "what was published before is still there"
    );
    assert!(!hinted.is_finished(), "a restart alone is no change");
    eventually(|| async { store.publish(&desired("web", 2)).await }).await;
    within("a hint after the restart", hinted).await.unwrap();
    drop(world);
}

#[tokio::test]
async fn what_was_said_about_distributions_is_listed_and_never_goes_back() {
    let world = World::new().await;
    let store = world.connect().await;
    let nothing = store.list().await.unwrap().controls;
    assert_eq!(nothing, Some(RegionControls::default()));

    let mut watch = store.watch(store.list().await.unwrap().revision);
    let said = |epoch, download| RegionControls {
        epoch: Epoch(epoch),
        limits: Limits {
            upload_bytes_per_s: None,
            download_bytes_per_s: Some(download),
        },
        distributions: Vec::new(),
    };
    assert_eq!(
        store.publish_controls(&said(2, 9)).await.unwrap(),
        Published::Written
    );
    within("a hint", watch.changed()).await;
    assert_eq!(
        store.publish_controls(&said(2, 9)).await.unwrap(),
        Published::Already
    );
    assert_eq!(
        store.publish_controls(&said(1, 5)).await.unwrap(),
        Published::Newer(Epoch(2))
    );
    assert!(matches!(
        store.publish_controls(&said(2, 5)).await,
        Err(Error::EpochReused { epoch: Epoch(2), .. })
    ));
    let snapshot = store.list().await.unwrap();
    assert_eq!(
        (snapshot.controls, snapshot.services),
        (Some(said(2, 9)), Vec::new())
    );
}
