//! What the control plane hears.

use crate::api::Heard;
use crate::support::{TOKEN, World, instance};
use model::host::HostResponse;
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
