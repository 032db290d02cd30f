//! Nodes that crash, lie, and have no room.

use super::region::{LIMIT, Region, connect};
use super::sample::{Sample, provenance, sign};
use crate::{Error, Fetch, Role, Source};
use artifact::{ArtifactPath, FileEntry, ManifestBuilder, PieceHash};
use model::instance::Transfer;

async fn done(fetch: Fetch) -> Result<Transfer, Error> {
    tokio::time::timeout(LIMIT, fetch.done())
        .await
        .expect("the fetch ends in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_restarted_goes_on_where_it_was() {
    let region = Region::new();
    let sample = Sample::mixed(16 << 20);
    let seed = region.start("manager", Role::Manager).await;
    let host = region.start("host", Role::Host).await;
    let folder = region.folder("host").join("artifact");
    connect(&[&seed, &host]).await;
    seed.handle
        .serve(sample.manifest.clone(), Source::Remote(sample.source()))
        .await
        .unwrap();

    let fetch = host
        .handle
        .fetch(sample.manifest.clone(), folder.clone())
        .await
        .unwrap();
    let mut progress = fetch.watch();
    let third = sample.manifest.total_length() / 3;
    let some = progress.wait_for(|state| state.transfer.verified_bytes() > third);
    tokio::time::timeout(LIMIT, some).await.unwrap().unwrap();
    host.end().await;
    assert!(matches!(done(fetch).await, Err(Error::Stopped) | Ok(_)));

    let host = region.start("host", Role::Host).await;
    host.handle.set_neighbours(vec![seed.neighbour()]).await.unwrap();
    let transfer = done(
        host.handle
            .fetch(sample.manifest.clone(), folder.clone())
            .await
            .unwrap(),
    )
    .await
    .unwrap();
    assert!(transfer.local_bytes > third, "{transfer:?}");
    assert_eq!(transfer.verified_bytes(), sample.manifest.total_length());
    sample.assert_in(&folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_sends_wrong_bytes_is_named_and_the_artifact_completes_without_it() {
    let region = Region::new();
    let sample = Sample::mixed(4 << 20);
    let seed = region.start("manager", Role::Manager).await;
    let liar = region.start("liar", Role::Host).await;
    let host = region.start("host", Role::Host).await;
    let lies = region.folder("liar").join("artifact");
    sample.write_to(&lies);
    liar.handle
        .serve(sample.manifest.clone(), Source::Folder(lies.clone()))
        .await
        .unwrap();
    // Its disk rots after it was verified.
    for file in ["bin/program", "lib/deep/down/a.so", "share/data"] {
        let length = std::fs::metadata(lies.join(file)).unwrap().len();
        std::fs::write(lies.join(file), vec![0xAA; length as usize]).unwrap();
    }
    let folder = region.folder("host").join("artifact");
    connect(&[&liar, &host]).await;
    let fetch = host
        .handle
        .fetch(sample.manifest.clone(), folder.clone())
        .await
        .unwrap();
    let status = host.until(|status| !status.banned.is_empty()).await;
    assert_eq!(status.banned[0].name.as_str(), "liar");
    assert_eq!(status.banned[0].peer, liar.peer());
    assert!(status.banned[0].reason.contains("wrong bytes"), "{status:?}");

    // It is not spoken to again, whoever dials.
    connect_one_way(&host, &seed).await;
    liar.handle.set_neighbours(vec![host.neighbour()]).await.unwrap();
    seed.handle
        .serve(sample.manifest.clone(), Source::Remote(sample.source()))
        .await
        .unwrap();
    let transfer = done(fetch).await.unwrap();
    sample.assert_in(&folder);
    assert!(
        transfer.wasted_bytes > 0 && transfer.seed_bytes > 0,
        "{transfer:?}"
    );
    assert!(
        host.handle
            .status()
            .await
            .unwrap()
            .peers
            .iter()
            .all(|peer| peer.peer != liar.peer())
    );
}

async fn connect_one_way(from: &super::region::Member, to: &super::region::Member) {
    from.handle.set_neighbours(vec![to.neighbour()]).await.unwrap();
    from.is_connected_to(to.peer()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_finish_among_themselves_once_the_seed_has_sent_everything() {
    let region = Region::new();
    let sample = Sample::mixed(16 << 20);
    let seed = region.start("manager", Role::Manager).await;
    let hosts = region.hosts(5).await;
    connect(&std::iter::once(&seed).chain(&hosts).collect::<Vec<_>>()).await;
    seed.handle
        .serve(sample.manifest.clone(), Source::Remote(sample.source()))
        .await
        .unwrap();
    let mut fetches = Vec::new();
    for host in &hosts {
        let folder = region.folder(&host.name).join("artifact");
        fetches.push(host.handle.fetch(sample.manifest.clone(), folder).await.unwrap());
    }

    // A seed sends each piece once before any twice.
    let all_sent = || {
        let sent: u64 = fetches.iter().map(|fetch| fetch.progress().seed_bytes).sum();
        sent >= sample.manifest.total_length()
    };
    tokio::time::timeout(LIMIT, async {
        while !all_sent() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    seed.end().await;

    for (host, fetch) in hosts.iter().zip(fetches) {
        done(fetch).await.unwrap();
        sample.assert_in(&region.folder(&host.name).join("artifact"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_reads_wrong_bytes_is_never_passed_on() {
    let region = Region::new();
    let sample = Sample::mixed(1 << 20);
    let wrong = Sample::new(&[("other", sample.manifest.total_length(), false)]);
    let mut bytes = wrong.content.to_vec();
    bytes.reverse();
    let wrong = Sample {
        manifest: wrong.manifest,
        content: bytes.into(),
    };
    let seed = region.start("manager", Role::Manager).await;
    let host = region.start("host", Role::Host).await;
    connect(&[&seed, &host]).await;
    seed.handle
        .serve(sample.manifest.clone(), Source::Remote(wrong.source()))
        .await
        .unwrap();
    let folder = region.folder("host").join("artifact");
    let fetch = host
        .handle
        .fetch(sample.manifest.clone(), folder.clone())
        .await
        .unwrap();
    let source = wrong.source();
    seed.handle
        .serve(sample.manifest.clone(), Source::Remote(source.clone()))
        .await
        .unwrap();
    tokio::time::timeout(LIMIT, async {
        while source.read_bytes() < 2 * 65_536 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(
        fetch.progress().verified_bytes() + fetch.progress().wasted_bytes,
        0
    );
    assert!(
        host.handle.status().await.unwrap().banned.is_empty(),
        "the seed sent none of it"
    );

    // The source is mended, and the fetch goes on.
    seed.handle
        .serve(sample.manifest.clone(), Source::Remote(sample.source()))
        .await
        .unwrap();
    done(fetch).await.unwrap();
    sample.assert_in(&folder);
}

/// No artifact fits a file system in memory; most disks have more room than the largest artifact.
fn folder_with_less_room_than(length: u64) -> tempfile::TempDir {
    let candidates = [std::env::temp_dir(), "/dev/shm".into()];
    let small = candidates.iter().find(|path| {
        rustix::fs::statvfs(path.as_path()).is_ok_and(|found| found.f_bavail * found.f_frsize < length)
    });
    tempfile::tempdir_in(small.expect("a file system that is smaller than the largest artifact")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_is_said_so_and_nothing_is_written() {
    let region = Region::new();
    let host = region.start("host", Role::Host).await;
    let length = artifact::CONTENT_LENGTH_MAX;
    let small = folder_with_less_room_than(length);
    let file = FileEntry {
        path: ArtifactPath::new("huge").unwrap(),
        executable: false,
        length,
    };
    let builder = ManifestBuilder::new(vec![file], provenance()).unwrap();
    let hashes = vec![PieceHash([0; 32]); builder.layout().piece_count() as usize];
    let manifest = sign(&builder.finish(hashes).unwrap());
    let folder = small.path().join("artifact");

    let fetch = host.handle.fetch(manifest, folder.clone()).await.unwrap();
    assert!(matches!(done(fetch).await, Err(Error::DiskFull { folder: full }) if full == folder));
    assert!(!folder.join("huge").exists());
    assert!(host.handle.status().await.unwrap().artifacts.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn something_in_the_way_is_named_and_left_alone() {
    let region = Region::new();
    let sample = Sample::mixed(1 << 20);
    let host = region.start("host", Role::Host).await;
    let folder = region.folder("host").join("artifact");
    let outside = region.folder("outside");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(&outside, b"precious").unwrap();
    std::os::unix::fs::symlink(&outside, folder.join("zone")).unwrap();

    let fetch = host
        .handle
        .fetch(sample.manifest.clone(), folder.clone())
        .await
        .unwrap();
    let ended = done(fetch).await;
    assert!(
        matches!(&ended, Err(Error::Disk { path, .. }) if *path == folder.join("zone")),
        "{ended:?}"
    );
    assert_eq!(std::fs::read(&outside).unwrap(), b"precious");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_once_an_artifact_is_forgotten() {
    let region = Region::new();
    let sample = Sample::mixed(16 << 20);
    let seed = region.start("manager", Role::Manager).await;
    let host = region.start("host", Role::Host).await;
    connect(&[&seed, &host]).await;
    seed.handle
        .serve(sample.manifest.clone(), Source::Remote(sample.source()))
        .await
        .unwrap();
    let folder = region.folder("host").join("artifact");
    let fetch = host
        .handle
        .fetch(sample.manifest.clone(), folder.clone())
        .await
        .unwrap();
    let mut progress = fetch.watch();
    progress
        .wait_for(|state| state.transfer.seed_bytes > 0)
        .await
        .unwrap();
    host.handle.forget(sample.manifest.id()).await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(matches!(done(fetch).await, Err(Error::Forgotten) | Ok(_)));

    // And it can be fetched again, over the same connections.
    let fetch = host
        .handle
        .fetch(sample.manifest.clone(), folder.clone())
        .await
        .unwrap();
    done(fetch).await.unwrap();
    sample.assert_in(&folder);
}
