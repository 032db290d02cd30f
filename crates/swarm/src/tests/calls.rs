//! Questions, answers and hints.

use super::region::{LIMIT, Region, connect};
use super::sample::Sample;
use crate::{CALL_ANSWER_LENGTH_MAX, CALL_REQUEST_LENGTH_MAX, Error, Role, Source};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_finds_its_peer_and_brings_the_answer_of_any_allowed_length() {
    let region = Region::new();
    let mut manager = region.start("manager", Role::Manager).await;
    let host = region.start("host", Role::Host).await;
    for (asked, answered) in [(0, 0), (5, 7), (CALL_REQUEST_LENGTH_MAX, CALL_ANSWER_LENGTH_MAX)] {
        let call = host
            .handle
            .call(manager.peer(), manager.handle.addresses(), vec![1; asked]);
        let answer = async {
            let call = manager.calls.recv().await.unwrap();
            assert_eq!((call.peer(), call.request.len()), (host.peer(), asked));
            assert_eq!(call.certificate.statement().name.as_str(), "host");
            call.answer(vec![2; answered]).unwrap();
        };
        let (result, ()) = timeout(LIMIT, async { tokio::join!(call, answer) })
            .await
            .unwrap();
        assert_eq!(result.unwrap(), vec![2; answered]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_too_long_is_refused_on_either_side() {
    let region = Region::new();
    let mut manager = region.start("manager", Role::Manager).await;
    let host = region.start("host", Role::Host).await;
    let addresses = manager.handle.addresses().to_vec();
    let peer = manager.peer();
    let call = |length| host.handle.call(peer, &addresses, vec![1; length]);
    let long = call(CALL_REQUEST_LENGTH_MAX + 1).await;
    assert!(
        matches!(long, Err(Error::TooLong { what: "request", .. })),
        "{long:?}"
    );

    let call = call(1);
    let answer = async {
        let call = manager.calls.recv().await.unwrap();
        let refused = call.answer(vec![0; CALL_ANSWER_LENGTH_MAX + 1]);
        assert!(
            matches!(refused, Err(Error::TooLong { what: "answer", .. })),
            "{refused:?}"
        );
    };
    let (result, ()) = timeout(LIMIT, async { tokio::join!(call, answer) })
        .await
        .unwrap();
    assert!(matches!(result, Err(Error::Unreachable { .. })), "{result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_not_there_is_named_at_once() {
    let region = Region::new();
    let manager = region.start("manager", Role::Manager).await;
    let host = region.start("host", Role::Host).await;
    let (peer, addresses) = (manager.peer(), manager.handle.addresses().to_vec());
    manager.end().await;
    for addresses in [&addresses[..], &[]] {
        let call = timeout(LIMIT, host.handle.call(peer, addresses, Vec::new()))
            .await
            .unwrap();
        assert!(
            matches!(call, Err(Error::Unreachable { peer: named, .. }) if named == peer),
            "{call:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_of_a_manager_is_heard_and_one_of_a_host_is_not() {
    let region = Region::new();
    let manager = region.start("manager", Role::Manager).await;
    let hosts = region.hosts(2).await;
    connect(&[&manager, &hosts[0], &hosts[1]]).await;
    let mut hints = hosts[0].handle.hints();
    hosts[1].handle.hint(&[hosts[0].peer()]).await.unwrap();
    // What one peer says is heard in order: once its artifact is here, so was its hint.
    let sample = Sample::mixed(100_000);
    hosts[1]
        .handle
        .serve(sample.manifest.clone(), Source::Remote(sample.source()))
        .await
        .unwrap();
    let folder = region.folder("host-0").join("artifact");
    let fetch = hosts[0]
        .handle
        .fetch(sample.manifest.clone(), folder)
        .await
        .unwrap();
    timeout(LIMIT, fetch.done()).await.unwrap().unwrap();
    assert_eq!(*hints.borrow_and_update(), 0);

    manager
        .handle
        .hint(&[hosts[0].peer(), hosts[1].peer()])
        .await
        .unwrap();
    timeout(LIMIT, hints.changed()).await.unwrap().unwrap();
    assert_eq!(*hints.borrow(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_was_restarted_is_found_again() {
    let region = Region::new();
    let manager = region.start("manager", Role::Manager).await;
    let host = region.start("host", Role::Host).await;
    connect(&[&manager, &host]).await;
    let mut config = region.config("manager", Role::Manager);
    config.listen = manager.handle.addresses().to_vec();
    let peer = manager.peer();
    manager.end().await;
    host.until(|status| status.peers.is_empty()).await;
    let manager = super::region::Member::start("manager", config).await;
    host.is_connected_to(peer).await;
    manager.is_connected_to(host.peer()).await;
}
