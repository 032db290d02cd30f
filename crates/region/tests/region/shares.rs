//! Hosts read the region's store themselves, each its share, and the store is read a stated number of
//! times whatever becomes of the managers.

use crate::node::Agent;
use crate::store::Door;
use crate::support::{World, desired, eventually, program};
use model::ArtifactId;
use model::host::{HostRequest, HostResponse, StoreOffer};
use model::instance::Transfer;

/// 128 pieces of 64 KiB, the last one short.
const LENGTH: u32 = (8 << 20) - 10;

#[tokio::test]
async fn the_shares_of_all_hosts_are_the_whole_artifact_and_open_nothing_but_it() {
    let world = World::new().await;
    let artifact = world.upload().await;
    world.publish(&desired(artifact, 1)).await;
    let manager = world.manager("manager-1").await;
    let mut hosts = Vec::new();
    for number in 1..=3 {
        hosts.push(world.host(&format!("host-{number}")).await);
    }
    let offers = eventually("shares that are everything", async || {
        let mut offers: Vec<StoreOffer> = Vec::new();
        for host in &hosts {
            let orders = host.orders(&manager, |orders| !orders.store.is_empty()).await;
            offers.extend(orders.store);
        }
        let all = offers.iter().fold(0, |all, offer| all | offer.slots);
        (all == u64::MAX).then_some(offers)
    })
    .await;
    let slots: u32 = offers.iter().map(|offer| offer.slots.count_ones()).sum();
    assert!(slots >= u64::BITS && offers.iter().all(|offer| offer.artifact == artifact));
    for offer in &offers {
        assert!(offer.valid_for_seconds >= 3_600, "{}", offer.valid_for_seconds);
        let answer = reqwest::get(offer.address.expose()).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.bytes().await.unwrap() == program());
        assert!(
            !format!("{offer:?}").contains("http"),
            "a secret is shown: {offer:?}"
        );
    }

    // Who has it all is offered nothing, and who is in trouble has no share.
    let mut report = hosts[0].report(Vec::new());
    report.complete = vec![artifact];
    let HostResponse::Orders(orders) = hosts[0].ask(&manager, &HostRequest::Report(report)).await else {
        panic!("no orders");
    };
    assert_eq!(orders.store, []);
    let mut report = hosts[1].report(Vec::new());
    report.trouble = Some("the disk is full".to_owned());
    let HostResponse::Orders(orders) = hosts[1].ask(&manager, &HostRequest::Report(report)).await else {
        panic!("no orders");
    };
    assert_eq!(orders.store[0].slots, 0);
}

/// Waits until all hosts have the artifact; how it came to each.
async fn complete(agents: &[Agent], artifact: ArtifactId) -> Vec<Transfer> {
    let mut transfers = Vec::new();
    for agent in agents {
        transfers.push(agent.completes(artifact).await);
    }
    for transfer in &transfers {
        assert_eq!(transfer.total_bytes, u64::from(LENGTH));
        assert_eq!(transfer.verified_bytes(), transfer.total_bytes, "{transfer:?}");
    }
    transfers
}

fn from_store(transfers: &[Transfer]) -> u64 {
    transfers.iter().map(|transfer| transfer.store_bytes).sum()
}

/// Waits until every host has asked the shut door for something of its share.
async fn all_wait_before(door: &Door, agents: &[Agent]) {
    eventually("hosts that read their shares", async || {
        (door.host_reads() >= agents.len() as u64).then_some(())
    })
    .await;
}

/// So often whole, and an eighth each time for what was asked for twice.
fn assert_read_at_most(door: &Door, times: u64) {
    let (bytes, length) = (door.bytes(), u64::from(LENGTH));
    let limit = (length + length / 8) * times;
    assert!(
        bytes <= limit,
        "{bytes} bytes were read, at most {limit} should be"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_reads_the_store_once_by_its_hosts_and_once_by_its_manager_and_no_more() {
    let world = World::new().await;
    let (artifact, door) = (world.upload_long(LENGTH).await, world.door().await);
    let manager = world.manager_behind("manager-1", &door).await;
    let agents = world.agents(1..=4, &manager).await;
    door.set_open(false);
    world.publish(&desired(artifact, 1)).await;
    all_wait_before(&door, &agents).await;
    door.set_open(true);
    let transfers = complete(&agents, artifact).await;
    let read = from_store(&transfers);
    assert!(read > 0, "hosts read nothing themselves: {transfers:?}");
    // What a host asked for and did not wait for is not among its bytes.
    assert!(door.bytes() >= read);
    assert_read_at_most(&door, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_whose_manager_dies_once_the_shares_are_dealt_still_ends() {
    let world = World::new().await;
    let (artifact, door) = (world.upload_long(LENGTH).await, world.door().await);
    let manager = world.manager_behind("manager-1", &door).await;
    let agents = world.agents(1..=4, &manager).await;
    door.set_open(false);
    world.publish(&desired(artifact, 1)).await;
    all_wait_before(&door, &agents).await;
    manager.die().await;
    door.set_open(true);
    complete(&agents, artifact).await;
    assert_read_at_most(&door, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_managers_that_both_believe_they_lead_make_the_store_be_read_twice_as_often() {
    let mut world = World::new().await;
    let (artifact, door) = (world.upload_long(LENGTH).await, world.door().await);
    let one = world.manager_behind("manager-1", &door).await;
    let mut agents = world.agents(1..=2, &one).await;
    world.publish(&desired(artifact, 1)).await;
    // The other was elected by an etcd that knows nothing of the first.
    world.second_etcd().await;
    let other = world.manager_behind("manager-2", &door).await;
    agents.extend(world.agents(3..=4, &other).await);
    world.publish(&desired(artifact, 1)).await;
    complete(&agents, artifact).await;
    assert_read_at_most(&door, 4);
}
