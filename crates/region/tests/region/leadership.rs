//! Who may give orders, and when.

use crate::support::{World, desired};
use model::ArtifactId;
use model::host::HostResponse;

#[tokio::test]
async fn a_standby_takes_over_with_a_larger_term_when_the_leader_is_stopped() {
    let world = World::new().await;
    let host = world.host("host-1").await;
    let leader = world.manager("manager-1").await;
    let before = host.orders(&leader, |_| true).await;

    let standby = world.manager("manager-2").await;
    let answer = host.tell(&standby, Vec::new()).await;
    assert_eq!(answer, HostResponse::StandingBy);

    leader.stop().await;
    let after = host.orders(&standby, |_| true).await;
    assert!(after.term > before.term, "{} after {}", after.term, before.term);
    assert_eq!(after.neighbours[0].host.as_str(), "manager-2");
}

#[tokio::test]
async fn a_manager_that_has_not_reached_etcd_orders_nothing() {
    let mut world = World::new().await;
    world.publish(&desired(world.upload().await, 1)).await;
    world.stop_etcd().await;

    let manager = world.manager("manager-1").await;
    let host = world.host("host-1").await;
    let answer = host.tell(&manager, Vec::new()).await;
    assert_eq!(answer, HostResponse::StandingBy);

    world.restart_etcd().await;
    let orders = host.orders(&manager, |_| true).await;
    assert_eq!(orders.services.len(), 1, "its first orders are whole: {orders:?}");
}

#[tokio::test]
async fn a_leader_that_loses_etcd_stands_by_and_leads_and_seeds_again_later() {
    let mut world = World::new().await;
    let artifact = world.upload().await;
    world.publish(&desired(artifact, 1)).await;
    let manager = world.manager("manager-1").await;
    let host = world.host("host-1").await;
    let before = host.orders(&manager, |_| true).await;
    host.manifest(&manager, artifact).await;

    world.stop_etcd().await;
    host.stands_by(&manager).await;

    world.restart_etcd().await;
    let after = host.orders(&manager, |_| true).await;
    assert!(after.term > before.term, "{} after {}", after.term, before.term);
    assert_eq!(after.services, before.services);
    assert_eq!(host.manifest(&manager, artifact).await.id(), artifact);
}

#[tokio::test]
async fn what_a_manager_seeded_in_an_earlier_term_is_forgotten_when_it_is_not_wanted_any_more() {
    let mut world = World::new().await;
    let artifact = world.upload().await;
    world.publish(&desired(artifact, 1)).await;
    let manager = world.manager("manager-1").await;
    let host = world.host("host-1").await;
    host.manifest(&manager, artifact).await;

    world.stop_etcd().await;
    host.stands_by(&manager).await;
    manager
        .until("a manager that still seeds", |status| status.artifacts.len() == 1)
        .await;

    // Whether this is before or after the manager leads again must make no difference.
    world.restart_etcd().await;
    world.publish(&desired(ArtifactId([7; 32]), 2)).await;
    manager
        .until("a manager that has forgotten", |status| {
            status.artifacts.is_empty()
        })
        .await;
}
