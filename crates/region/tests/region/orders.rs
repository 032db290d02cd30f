//! What a host is told, and what it can fetch.

use crate::api::Heard;
use crate::node::{Host, Manager};
use crate::support::{LIMIT, PROGRAM, World, artifact, desired, instance, program, staged};
use model::TaskState;
use model::host::{HostRequest, HostResponse, Neighbour};
use std::os::unix::fs::PermissionsExt as _;

#[tokio::test]
async fn a_host_that_asks_gets_the_services_the_manager_as_neighbour_and_the_whole_artifact() {
    let world = World::new().await;
    let wanted = desired(world.upload().await, 1);
    world.publish(&wanted).await;
    let manager = world.manager("manager-1").await;
    let host = world.host("host-1").await;

    let orders = host.orders(&manager, |_| true).await;
    assert_eq!(orders.services, [staged(&wanted)]);
    let itself = Neighbour {
        host: "manager-1".parse().unwrap(),
        peer: manager.swarm.local_peer().to_string(),
        addresses: manager.swarm.addresses().to_vec(),
    };
    assert_eq!(orders.neighbours, [itself]);

    let manifest = host.manifest(&manager, artifact(&wanted)).await;
    assert_eq!(manifest.id(), artifact(&wanted));
    host.swarm.set_neighbours(orders.neighbours).await.unwrap();
    let folder = world.folder("host-1");
    let fetch = host.swarm.fetch(manifest, folder.clone()).await.unwrap();
    let transfer = tokio::time::timeout(LIMIT, fetch.done()).await.unwrap().unwrap();
    assert_eq!(transfer.seed_bytes, transfer.total_bytes);
    let path = folder.join(PROGRAM);
    assert!(std::fs::read(&path).unwrap() == program(), "the bytes are others");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o111, 0o111);

    host.tell(&manager, vec![instance(1, TaskState::Staged)]).await;
    let reads_all = |heard: &Heard| heard.report.store_bytes_read >= transfer.total_bytes;
    world.api.hears("how much the store was read", reads_all).await;
}

#[tokio::test]
async fn hosts_are_each_others_neighbours() {
    let world = World::new().await;
    let manager = world.manager("manager-1").await;
    let (one, other) = (world.host("host-1").await, world.host("host-2").await);

    is_given_for_neighbours(&one, &manager, &[]).await;
    is_given_for_neighbours(&other, &manager, &["host-1"]).await;
    is_given_for_neighbours(&one, &manager, &["host-2"]).await;
}

/// The manager comes first, then these.
async fn is_given_for_neighbours(host: &Host, manager: &Manager, others: &[&str]) {
    let orders = host.orders(manager, |_| true).await;
    let named: Vec<_> = orders.neighbours[1..]
        .iter()
        .map(|neighbour| neighbour.host.as_str())
        .collect();
    assert_eq!(named, others);
}

#[tokio::test]
async fn a_host_that_speaks_for_another_is_refused() {
    let world = World::new().await;
    let manager = world.manager("manager-1").await;
    let host = world.host("host-1").await;
    host.orders(&manager, |_| true).await;

    let mut report = host.report(Vec::new());
    report.host = "host-2".parse().unwrap();
    let answer = host.ask(&manager, &HostRequest::Report(report)).await;
    assert!(
        matches!(&answer, HostResponse::Refused(reason) if reason.contains("host-1")),
        "{answer:?}"
    );
    // Nor did the region get a host by it.
    let orders = host.orders(&manager, |_| true).await;
    assert_eq!(orders.neighbours.len(), 1, "only the manager: {orders:?}");
}

#[tokio::test]
async fn a_change_in_etcd_is_hinted_to_hosts_and_handed_out() {
    let world = World::new().await;
    let artifact = world.upload().await;
    world.publish(&desired(artifact, 1)).await;
    let manager = world.manager("manager-1").await;
    let host = world.host("host-1").await;
    let orders = host.orders(&manager, |_| true).await;
    // A host stays connected to its neighbours, and only who is connected is hinted.
    host.swarm.set_neighbours(orders.neighbours).await.unwrap();
    manager
        .until("a manager that knows the host", |status| {
            status.peers.iter().any(|peer| peer.name == host.name)
        })
        .await;
    let mut hints = host.swarm.hints();

    let changed = desired(artifact, 2);
    world.publish(&changed).await;
    // It asks when it is hinted, and never else. Hints of what happened before may still be on their way.
    let listening = async {
        loop {
            hints.changed().await.unwrap();
            if let HostResponse::Orders(orders) = host.tell(&manager, Vec::new()).await
                && orders.services == [staged(&changed)]
            {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, listening)
        .await
        .expect("a hint of the change");
}

#[tokio::test]
async fn an_artifact_that_comes_late_to_the_store_is_seeded_once_it_is_there() {
    let world = World::new().await;
    let manager = world.manager("manager-1").await;
    let host = world.host("host-1").await;
    let late = world.upload_content().await;
    let artifact = late.signed.artifact();
    world.publish(&desired(artifact, 1)).await;
    host.orders(&manager, |orders| !orders.services.is_empty()).await;
    let answer = host.ask(&manager, &HostRequest::Manifest(artifact)).await;
    assert!(matches!(answer, HostResponse::Refused(_)), "{answer:?}");

    world.finish_upload(&late).await;
    assert_eq!(host.manifest(&manager, artifact).await.id(), artifact);
}
