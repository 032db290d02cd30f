//! What the control plane hears.

use crate::api::Heard;
use crate::support::{TOKEN, World, artifact, desired, instance};
use model::distribution::{Arrival, ArrivalState, Rates};
use model::host::{HostRequest, HostResponse};
use model::instance::Transfer;
use model::region_report::HostInstance;
use model::{Instance, TaskState};

/// What the control plane should hear of `host-1`.
fn word(instance: &Instance) -> HostInstance {
    HostInstance {
        host: "host-1".parse().unwrap(),
        zone: "us-east-1a".parse().unwrap(),
        instance: instance.clone(),
    }
}

#[tokio::test]
async fn a_hosts_report_reaches_the_api_with_the_regions_token_and_term() {
    let world = World::new().await;
    let manager = world.manager("manager-1").await;
    let host = world.host("host-1").await;
    let term = host.orders(&manager, |_| true).await.term;

    let fetching = instance(1, TaskState::Fetching);
    let answer = host.tell(&manager, vec![fetching.clone()]).await;
    assert!(matches!(answer, HostResponse::Orders(_)), "{answer:?}");
    let heard = world
        .api
        .hears("the host's word", |heard| {
            heard.report.instances == [word(&fetching)]
        })
        .await;
    assert_eq!(heard.authorization, format!("Bearer {TOKEN}"));
    assert_eq!(
        (&heard.region, &heard.report.region),
        (&World::region(), &World::region())
    );
    assert_eq!((heard.report.term, heard.report.hosts_alive), (term, 1));
}

#[tokio::test]
async fn a_report_that_is_refused_is_sent_again_as_things_are_then() {
    let world = World::new().await;
    world.api.refuse(true);
    let manager = world.manager("manager-1").await;
    let host = world.host("host-1").await;
    host.orders(&manager, |_| true).await;

    let says = |instance: &Instance| {
        let word = word(instance);
        move |heard: &Heard| heard.report.instances == [word.clone()]
    };
    let (fetching, staged) = (instance(1, TaskState::Fetching), instance(1, TaskState::Staged));
    host.tell(&manager, vec![fetching.clone()]).await;
    let refused = world.api.hears("the first word", says(&fetching)).await;
    assert!(!refused.accepted);
    host.tell(&manager, vec![staged.clone()]).await;
    let refused = world.api.hears("the second word", says(&staged)).await;
    assert!(!refused.accepted);

    world.api.refuse(false);
    let says_staged = says(&staged);
    world
        .api
        .hears("the second word again", |heard| {
            heard.accepted && says_staged(heard)
        })
        .await;
}

#[tokio::test]
async fn a_distribution_that_is_over_before_anybody_looked_is_told_all_the_same() {
    let world = World::new().await;
    let wanted = desired(world.upload().await, 1);
    world.publish(&wanted).await;
    let manager = world.manager("manager-1").await;
    let host = world.host("host-1").await;
    host.orders(&manager, |orders| !orders.services.is_empty()).await;

    // By the time of its next report, the host has everything.
    let artifact = artifact(&wanted);
    let mut report = host.report(Vec::new());
    report.complete = vec![artifact];
    report.arrivals = vec![Arrival {
        artifact,
        state: ArrivalState::Complete,
        transfer: Transfer::default(),
        rates: Rates::default(),
        rejected_pieces: 0,
        lacking_bytes: 0,
        hindrance: None,
    }];
    host.ask(&manager, &HostRequest::Report(report)).await;
    let is_over = |heard: &Heard| {
        let mut told = heard.report.distributions.iter();
        told.any(|told| told.artifact == artifact && told.is_complete() && told.hosts.all == 1)
    };
    world.api.hears("that everybody has it", is_over).await;
}
