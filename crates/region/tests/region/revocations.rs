//! Whom nobody talks to any more.

use crate::node::{Host, Manager};
use crate::support::{World, eventually};
use model::host::{HostRequest, HostResponse};

/// Asks until the manager does not answer it with orders, however it says so.
async fn is_put_out(host: &Host, manager: &Manager) {
    eventually("a manager that answers it no more", async || {
        let request = postcard::to_stdvec(&HostRequest::Report(host.report(Vec::new()))).unwrap();
        let (peer, addresses) = (manager.swarm.local_peer(), manager.swarm.addresses());
        match host.swarm.call(peer, addresses, request).await {
            Err(_) => Some(()),
            Ok(answer) => match postcard::from_bytes(&answer).unwrap() {
                HostResponse::Refused(reason) => reason.contains("revoked").then_some(()),
                _ => None,
            },
        }
    })
    .await;
}

#[tokio::test]
async fn a_revoked_host_is_put_out_by_every_manager_and_the_other_hosts_are_told() {
    let world = World::new().await;
    let manager = world.manager("manager-1").await;
    let (good, bad) = (world.host("good").await, world.host("bad").await);
    bad.orders(&manager, |_| true).await;
    let orders = good.orders(&manager, |orders| orders.neighbours.len() == 2).await;
    assert_eq!(orders.revoked, []);

    world.api.revoke(bad.swarm.local_peer());
    let orders = good.orders(&manager, |orders| !orders.revoked.is_empty()).await;
    assert_eq!(
        orders.revoked,
        [bad.swarm.local_peer().to_string().parse().unwrap()]
    );
    assert_eq!(orders.neighbours.len(), 1, "only the manager: {orders:?}");
    is_put_out(&bad, &manager).await;

    // One that was never told of it in person asks for itself.
    manager.stop().await;
    let other = world.manager("manager-2").await;
    good.orders(&other, |orders| !orders.revoked.is_empty()).await;
    is_put_out(&bad, &other).await;
}

#[tokio::test]
async fn a_manager_that_starts_while_the_api_is_away_keeps_out_whom_it_kept_out() {
    let world = World::new().await;
    let manager = world.manager("manager-1").await;
    let (good, bad) = (world.host("good").await, world.host("bad").await);
    world.api.revoke(bad.swarm.local_peer());
    good.orders(&manager, |orders| !orders.revoked.is_empty()).await;
    world.api.refuse(true);
    manager.stop().await;

    let manager = world.manager("manager-1").await;
    is_put_out(&bad, &manager).await;
    good.orders(&manager, |orders| !orders.revoked.is_empty()).await;
}
