//! Artifacts reach every host, whole.

use super::region::{LIMIT, Member, Region, connect};
use super::sample::Sample;
use crate::{Error, Role, Source};
use model::instance::Transfer;
use std::os::unix::fs::PermissionsExt;

/// Fetches on every host at once; how the bytes came to each.
async fn fetch_all(region: &Region, hosts: &[Member], sample: &Sample) -> Vec<Transfer> {
    let mut fetches = Vec::new();
    for host in hosts {
        let folder = region.folder(&host.name).join("artifact");
        fetches.push(host.handle.fetch(sample.manifest.clone(), folder).await.unwrap());
    }
    let mut transfers = Vec::new();
    for fetch in fetches {
        transfers.push(tokio::time::timeout(LIMIT, fetch.done()).await.unwrap().unwrap());
    }
    transfers
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_the_same_on_every_host_and_most_bytes_come_from_other_hosts() {
    let region = Region::new();
    let sample = Sample::mixed(16 << 20);
    let seed = region.start("manager", Role::Manager).await;
    let hosts = region.hosts(5).await;
    connect(&std::iter::once(&seed).chain(&hosts).collect::<Vec<_>>()).await;

    let source = sample.source();
    seed.handle
        .serve(sample.manifest.clone(), Source::Remote(source.clone()))
        .await
        .unwrap();
    let transfers = fetch_all(&region, &hosts, &sample).await;

    for (host, transfer) in hosts.iter().zip(&transfers) {
        sample.assert_in(&region.folder(&host.name).join("artifact"));
        assert_eq!(transfer.total_bytes, sample.manifest.total_length());
        assert_eq!(transfer.verified_bytes(), transfer.total_bytes, "{transfer:?}");
        assert!(transfer.elapsed_ms > 0);
    }
    let seed_bytes: u64 = transfers.iter().map(|transfer| transfer.seed_bytes).sum();
    let peer_bytes: u64 = transfers.iter().map(|transfer| transfer.peer_bytes).sum();
    assert!(
        peer_bytes > seed_bytes,
        "{peer_bytes} bytes of peers, {seed_bytes} of the seed"
    );
    assert!(source.read_bytes() >= seed_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_comes_late_is_fed_by_hosts_alone() {
    let region = Region::new();
    let sample = Sample::mixed(2 << 20);
    let hosts = region.hosts(2).await;
    let folder = region.folder("host-0").join("artifact");
    sample.write_to(&folder);
    hosts[0]
        .handle
        .serve(sample.manifest.clone(), Source::Folder(folder))
        .await
        .unwrap();
    connect(&hosts.iter().collect::<Vec<_>>()).await;

    let transfers = fetch_all(&region, &hosts[1..], &sample).await;
    assert_eq!(transfers[0].peer_bytes, sample.manifest.total_length());
    sample.assert_in(&region.folder("host-1").join("artifact"));
    let served = hosts[0].handle.status().await.unwrap().artifacts[0].served_bytes;
    assert!(served >= sample.manifest.total_length());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_without_a_byte_needs_nobody() {
    let region = Region::new();
    let sample = Sample::new(&[("a/empty", 0, true), ("b", 0, false)]);
    let hosts = region.hosts(1).await;
    fetch_all(&region, &hosts, &sample).await;
    sample.assert_in(&region.folder("host-0").join("artifact"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_on_the_disk_is_verified_and_not_fetched_again() {
    let region = Region::new();
    let sample = Sample::mixed(2 << 20);
    let hosts = region.hosts(1).await;
    let folder = region.folder("host-0").join("artifact");
    sample.write_to(&folder);
    let before = std::fs::metadata(folder.join("bin/program"))
        .unwrap()
        .modified()
        .unwrap();

    // It needs nobody, and nothing is written.
    let transfers = fetch_all(&region, &hosts, &sample).await;
    assert_eq!(transfers[0].local_bytes, sample.manifest.total_length());
    sample.assert_in(&folder);
    assert_eq!(
        std::fs::metadata(folder.join("bin/program"))
            .unwrap()
            .modified()
            .unwrap(),
        before
    );

    // Asking again joins what is there; another place is another matter.
    fetch_all(&region, &hosts, &sample).await;
    let elsewhere = hosts[0]
        .handle
        .fetch(sample.manifest.clone(), region.folder("x"))
        .await;
    assert!(matches!(elsewhere, Err(Error::Elsewhere { .. })), "{elsewhere:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_on_the_disk_are_fetched_again() {
    let region = Region::new();
    let sample = Sample::mixed(2 << 20);
    let seed = region.start("manager", Role::Manager).await;
    let hosts = region.hosts(1).await;
    let folder = region.folder("host-0").join("artifact");
    sample.write_to(&folder);
    // Another length, other bytes, another mode, and one that lacks.
    std::fs::write(folder.join("bin/tool"), b"too long to be the tool").unwrap();
    std::fs::write(folder.join("zone"), b"?").unwrap();
    std::fs::set_permissions(folder.join("share/data"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::remove_file(folder.join("lib/deep/down/b.so")).unwrap();

    connect(&[&seed, &hosts[0]]).await;
    seed.handle
        .serve(sample.manifest.clone(), Source::Remote(sample.source()))
        .await
        .unwrap();
    let transfers = fetch_all(&region, &hosts, &sample).await;
    sample.assert_in(&folder);
    assert!(
        transfers[0].local_bytes > 0 && transfers[0].seed_bytes > 0,
        "{transfers:?}"
    );
    assert_eq!(transfers[0].verified_bytes(), sample.manifest.total_length());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_was_moved_is_served_from_its_new_place() {
    let region = Region::new();
    let sample = Sample::mixed(1 << 20);
    let hosts = region.hosts(2).await;
    let (before, after) = (
        region.folder("host-0").join("before"),
        region.folder("host-0").join("after"),
    );
    sample.write_to(&before);
    let manifest = &sample.manifest;
    hosts[0]
        .handle
        .fetch(manifest.clone(), before.clone())
        .await
        .unwrap()
        .done()
        .await
        .unwrap();
    std::fs::rename(&before, &after).unwrap();
    hosts[0]
        .handle
        .serve(manifest.clone(), Source::Folder(after))
        .await
        .unwrap();

    connect(&hosts.iter().collect::<Vec<_>>()).await;
    fetch_all(&region, &hosts[1..], &sample).await;
    sample.assert_in(&region.folder("host-1").join("artifact"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_lacks_something_is_not_served() {
    let region = Region::new();
    let sample = Sample::mixed(1 << 20);
    let hosts = region.hosts(1).await;
    let folder = region.folder("host-0").join("artifact");
    sample.write_to(&folder);
    std::fs::remove_file(folder.join("share/data")).unwrap();
    let refused = hosts[0]
        .handle
        .serve(sample.manifest.clone(), Source::Folder(folder))
        .await;
    assert!(
        matches!(refused, Err(Error::Incomplete { verified, pieces, .. }) if verified < pieces),
        "{refused:?}"
    );
    assert!(hosts[0].handle.status().await.unwrap().artifacts.is_empty());
}
