//! Electing a leader against a real etcd.

use crate::common::{World, within};
use desired_state::Error;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_resigned_leadership_goes_to_the_next_candidate_at_once_with_a_larger_term() {
    let world = World::new().await;
    let (one, two) = (world.connect().await, world.connect().await);
    let stop = CancellationToken::new();
    let first = within("the first campaign", one.campaign("one", &stop))
        .await
        .unwrap();
    let waiting = tokio::spawn({
        let stop = stop.clone();
        async move { two.campaign("two", &stop).await }
    });
    assert!(!first.lost().is_cancelled());
    let term = first.term();
    let lost = first.lost().clone();

    first.resign().await;
    assert!(lost.is_cancelled(), "who resigned leads no more");
    let second = within("the second campaign", waiting).await.unwrap().unwrap();
    assert!(second.term() > term, "{} > {term}", second.term());
    assert!(!second.lost().is_cancelled());
}

#[tokio::test]
async fn when_a_leader_dies_its_standby_takes_over() {
    let world = World::new().await;
    let endpoint = world.etcd.endpoint();
    // A runtime of its own, so that everything the leader does can end at once, as by kill -9.
    let doomed = tokio::runtime::Runtime::new().unwrap();
    let first = doomed
        .spawn(async move {
            let region = "us-east-1".parse().unwrap();
            let store = desired_state::DesiredState::connect(&[endpoint], &region)
                .await
                .unwrap();
            let leadership = store.campaign("one", &CancellationToken::new()).await.unwrap();
            (store, leadership)
        })
        .await
        .unwrap();
    let term = first.1.term();
    doomed.shutdown_background();

    let stop = CancellationToken::new();
    let second = within("the takeover", world.connect().await.campaign("two", &stop))
        .await
        .unwrap();
    assert!(second.term() > term);
    assert!(
        first.1.lost().is_cancelled(),
        "a dead leader's leadership counts as lost"
    );
}

#[tokio::test]
async fn a_leader_that_cannot_reach_etcd_gives_up_and_leads_again_later() {
    let world = World::new().await;
    let store = world.connect().await;
    let stop = CancellationToken::new();
    let leadership = within("the campaign", store.campaign("one", &stop))
        .await
        .unwrap();
    let term = leadership.term();

    let World { folder, etcd } = world;
    etcd.stop().await.unwrap();
    within("giving up", leadership.lost().cancelled()).await;
    drop(leadership);

    let world = World {
        etcd: local_services::Etcd::start(folder.path()).await.unwrap(),
        folder,
    };
    let again = within("the next campaign", store.campaign("one", &stop))
        .await
        .unwrap();
    assert!(again.term() > term);
    drop(world);
}

#[tokio::test]
async fn a_short_restart_of_etcd_costs_no_leadership() {
    let world = World::new().await;
    let store = world.connect().await;
    let stop = CancellationToken::new();
    let leadership = within("the campaign", store.campaign("one", &stop))
        .await
        .unwrap();
    let world = world.restart().await;
    crate::common::eventually(|| async { store.list().await }).await;
    assert!(!leadership.lost().is_cancelled());
    drop(world);
}

#[tokio::test]
async fn a_campaign_can_be_stopped_and_leaves_no_candidate_behind() {
    let world = World::new().await;
    let store = world.connect().await;
    let stop = CancellationToken::new();
    let first = within("the campaign", store.campaign("one", &stop))
        .await
        .unwrap();
    let standby = tokio::spawn({
        let (store, stop) = (world.connect().await, stop.clone());
        async move { store.campaign("two", &stop).await.map(|_| ()) }
    });
    stop.cancel();
    assert!(matches!(
        within("the stop", standby).await.unwrap(),
        Err(Error::Stopped)
    ));
    first.resign().await;
    let go_on = CancellationToken::new();
    within("the next campaign", store.campaign("three", &go_on))
        .await
        .unwrap();
}
