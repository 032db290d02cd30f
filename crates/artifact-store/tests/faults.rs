//! What networks, busy stores and failing disks do, and that no artifact suffers from it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

mod common;

use artifact_store::{CopyTarget, Crc64, Error, Existing, PART_LENGTH, Pace, Store, Uploaded, Verification};
use common::proxy::{Fault, PATIENCE, Proxy};
use common::{Running, bytes, copy, folder, key, outputs, publish, sender, sender_with, upload, upload_by};
use std::path::Path;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const PART: usize = PART_LENGTH as usize;

fn is_part(line: &str) -> bool {
    line.starts_with("PUT") && line.contains("partNumber")
}

fn is_complete(line: &str) -> bool {
    line.starts_with("POST") && line.contains("uploadId")
}

fn is_read(line: &str) -> bool {
    line.starts_with("GET") && line.contains("/content/")
}

/// Sends four parts by way of a proxy whose faults are these, in turn, for the requests that are meant.
async fn uploaded_through(meant: fn(&str) -> bool, faults: Vec<Fault>) -> (Proxy, Uploaded) {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    server.store("main-store").await;
    let expected = faults.len();
    let mut faults = faults.into_iter();
    let proxy = Proxy::start(&server.address, move |line| {
        let fault = if meant(line) { faults.next() } else { None };
        fault.unwrap_or(Fault::None)
    })
    .await;
    let store = proxy.store(server.config("main-store"));
    let (outputs, content) = outputs(files.path(), &[("a", 3 * PART + 5)]);
    let uploaded = upload_by(&sender_with(PATIENCE), &store, "one", outputs).await;
    assert_eq!(uploaded.crc64nvme, Crc64::of(&content));
    let artifact = publish(&store, &uploaded).await;
    let stored = store.get_manifest(&artifact).await.unwrap().unwrap();
    assert_eq!(
        store.verify_content(&stored).await.unwrap(),
        Verification::Matches
    );
    assert!(store.unfinished("").await.unwrap().is_empty());
    let met = proxy
        .requests
        .lock()
        .unwrap()
        .iter()
        .filter(|line| meant(line))
        .count();
    assert!(met > expected, "every fault was met, and the request came again");
    (proxy, uploaded)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_store_is_asked_again_until_it_takes_each_part() {
    let (proxy, _) = uploaded_through(is_part, vec![Fault::Busy; 5]).await;
    assert_eq!(proxy.count("partNumber"), 4 + 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stalls_is_given_up_on_and_asked_again() {
    uploaded_through(is_part, vec![Fault::Stall]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_breaks_off_is_sent_again() {
    let faults = vec![
        Fault::BreakRequest(PART / 2),
        Fault::LoseAnswer,
        Fault::BreakAnswer(9),
    ];
    uploaded_through(is_part, faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_damaged_on_its_way_is_refused_and_sent_again() {
    let faults = vec![Fault::DamageRequest(5), Fault::DamageRequest(3)];
    uploaded_through(is_part, faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_complete_although_the_answer_got_lost() {
    uploaded_through(is_complete, vec![Fault::LoseAnswer]).await;
}

/// A store with an artifact of two parts, and its content.
async fn published(server: &Running, files: &Path) -> (Store, model::ArtifactId) {
    let store = server.store("main-store").await;
    let (outputs, _) = outputs(files, &[("a", PART + 5)]);
    let artifact = publish(&store, &upload(&store, "one", outputs).await).await;
    (store, artifact)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_takes_nothing_that_was_damaged_on_its_way() {
    let (root, far_root, files) = (folder(), folder(), folder());
    let server = Running::start(root.path()).await;
    let far_server = Running::start(far_root.path()).await;
    let (_, artifact) = published(&server, files.path()).await;
    // One of the two reads arrives damaged, and another breaks off.
    let mut faults = vec![Fault::DamageAnswer(PART / 2), Fault::BreakAnswer(PART / 2)].into_iter();
    let proxy = Proxy::start(&server.address, move |line| {
        let fault = if is_read(line) { faults.next() } else { None };
        fault.unwrap_or(Fault::None)
    })
    .await;
    let main = proxy.store(server.config("main-store"));
    let far = far_server.store("far-store").await;
    copy(&main, &far, &artifact).await.unwrap();
    let stored = far.get_manifest(&artifact).await.unwrap().unwrap();
    assert_eq!(far.verify_content(&stored).await.unwrap(), Verification::Matches);

    // What is always damaged is never copied, and nothing is published.
    let damage = |line: &str| {
        if is_read(line) {
            Fault::DamageAnswer(9_000)
        } else {
            Fault::None
        }
    };
    let proxy = Proxy::start(&server.address, damage).await;
    let main = proxy.store(server.config("main-store"));
    let other = far_server.store("other-store").await;
    let refused = copy(&main, &other, &artifact).await;
    assert!(matches!(refused, Err(Error::Source(_))), "{refused:?}");
    assert_eq!(other.verify(&artifact).await.unwrap(), Verification::Absent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_fails_holds_up_no_other_and_goes_on_where_it_was() {
    let (root, far_root, files) = (folder(), folder(), folder());
    let server = Running::start(root.path()).await;
    let far_server = Running::start(far_root.path()).await;
    let (main, artifact) = published(&server, files.path()).await;
    let (one, other) = (
        far_server.store("one-store").await,
        far_server.store("other-store").await,
    );
    // The second part never arrives there.
    let proxy = Proxy::start(&far_server.address, |line| {
        if line.contains("partNumber=2") {
            Fault::Busy
        } else {
            Fault::None
        }
    })
    .await;
    let cut_off = proxy.store(far_server.config("other-store"));
    let targets = [one.clone(), cut_off].map(|store| CopyTarget {
        store,
        progress: watch::Sender::new(0),
    });
    let stop = CancellationToken::new();
    let ended = main
        .copy_to(targets.into(), &artifact, &Pace::default(), &stop)
        .await;
    assert!(
        matches!(ended[..], [Ok(()), Err(Error::Request { .. })]),
        "{ended:?}"
    );
    assert_eq!(one.verify(&artifact).await.unwrap(), Verification::Matches);
    assert_eq!(other.verify(&artifact).await.unwrap(), Verification::Absent);

    let left = other.unfinished("").await.unwrap().remove(0);
    let there = other.parts(&left.ticket).await.unwrap();
    assert_eq!(there.len(), 1);
    // From the region that has it, of which only what lacks is read.
    let near = Proxy::start(&far_server.address, |_| Fault::None).await;
    copy(&near.store(far_server.config("one-store")), &other, &artifact)
        .await
        .unwrap();
    assert_eq!(near.count("GET /one-store/content/"), 1);
    assert_eq!(other.verify(&artifact).await.unwrap(), Verification::Matches);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_does_not_answer_is_left_behind() {
    let (root, far_root, files) = (folder(), folder(), folder());
    let server = Running::start(root.path()).await;
    let far_server = Running::start(far_root.path()).await;
    let (main, artifact) = published(&server, files.path()).await;
    let one = far_server.store("one-store").await;
    let silent = Proxy::start(&far_server.address, |_| Fault::Stall).await;
    let targets = [one.clone(), silent.store(far_server.config("other-store"))];
    let targets = targets.map(|store| CopyTarget {
        store,
        progress: watch::Sender::new(0),
    });
    let stop = CancellationToken::new();
    let ended = main
        .copy_to(targets.into(), &artifact, &Pace::default(), &stop)
        .await;
    assert!(matches!(ended[..], [Ok(()), Err(Error::Behind)]), "{ended:?}");
    assert_eq!(one.verify(&artifact).await.unwrap(), Verification::Matches);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_read_once_for_all_regions() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    let (_, artifact) = published(&server, files.path()).await;
    let proxy = Proxy::start(&server.address, |_| Fault::None).await;
    let main = proxy.store(server.config("main-store"));
    let far_root = folder();
    let far_server = Running::start(far_root.path()).await;
    let mut targets = Vec::new();
    for number in 0..5 {
        targets.push(CopyTarget {
            store: far_server.store(&format!("region-{number}")).await,
            progress: watch::Sender::new(0),
        });
    }
    let stores: Vec<Store> = targets.iter().map(|target| target.store.clone()).collect();
    let stop = CancellationToken::new();
    for ended in main.copy_to(targets, &artifact, &Pace::default(), &stop).await {
        ended.unwrap();
    }
    for store in stores {
        assert_eq!(store.verify(&artifact).await.unwrap(), Verification::Matches);
    }
    assert_eq!(proxy.count("GET /main-store/content/"), 2, "one read a part");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_checksum_is_a_difference_and_never_a_match() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    let (store, artifact) = published(&server, files.path()).await;
    // The content of another artifact, of the same length.
    let stored = store.get_manifest(&artifact).await.unwrap().unwrap();
    let wrong = bytes(PART + 5, 99);
    let ticket = store.create_upload(&stored.content_key).await.unwrap();
    let mut parts = Vec::new();
    for (number, chunk) in (1..).zip(wrong.chunks(PART)) {
        let sent = store
            .put_part(&ticket, number, chunk.to_vec().into(), Crc64::of(chunk))
            .await;
        parts.push(sent.unwrap());
    }
    let claimed = store
        .complete_upload(&ticket, &parts, stored.crc64nvme, Existing::IsReplaced)
        .await;
    assert!(
        claimed.is_err(),
        "the store compares what is claimed of the whole"
    );
    store
        .complete_upload(&ticket, &parts, Crc64::of(&wrong), Existing::IsReplaced)
        .await
        .unwrap();
    let found = store.verify(&artifact).await.unwrap();
    assert!(matches!(found, Verification::Differs(why) if why.contains("CRC64")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_listing_costs_a_try_and_publishes_nothing() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    let direct = server.store("main-store").await;
    let (outputs, content) = outputs(files.path(), &[("a", PART + 5)]);
    let planned = outputs.plan().await.unwrap();
    let ticket = direct.create_upload(&key("build-1")).await.unwrap();
    // The listing knows a part that another has since taken the place of, of the same bytes.
    let crc64nvme = Crc64::of(&content[..PART]).to_base64();
    let listing = format!(
        "<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>1</PartNumber><Size>{PART}</Size>\
         <ETag>\"0123456789abcdef0123456789abcdef\"</ETag><ChecksumCRC64NVME>{crc64nvme}</ChecksumCRC64NVME></Part>\
         </ListPartsResult>"
    );
    let proxy = Proxy::start(&server.address, move |line| {
        let is_listing = line.starts_with("GET") && line.contains("uploadId");
        if is_listing {
            Fault::Answer(listing.clone())
        } else {
            Fault::None
        }
    })
    .await;
    let stale = proxy.store(server.config("main-store"));
    let send = |store: Store| {
        let (ticket, planned) = (ticket.clone(), planned.clone());
        async move {
            let (progress, stop) = (watch::Sender::new(0), CancellationToken::new());
            store
                .send(&sender(), Some(&ticket), planned, progress, stop)
                .await
        }
    };
    let total = content.len() as u64;
    let sent = send(stale.clone()).await.unwrap();
    assert_eq!(sent.reused, PART_LENGTH);
    let completed = stale
        .complete(&ticket.key, Some(&ticket), &sent.content, total)
        .await;
    let refused = completed.unwrap_err();
    assert!(matches!(refused, Error::Content(_)), "{refused}");

    let sent = send(direct.clone()).await.unwrap();
    direct
        .complete(&ticket.key, Some(&ticket), &sent.content, total)
        .await
        .unwrap();
    assert_eq!(sent.content.crc64nvme, Crc64::of(&content));
    // A listing that does not show the upload at all: another is begun, to a place of its own.
    assert!(direct.unfinished("").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_disk_fails_takes_the_rest_when_it_works_again() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    server.store("main-store").await;
    let data = root.path().join("buckets/main-store/data");
    let away = data.with_file_name("away");
    // After the second part there is no place for another.
    let (from, to) = (data.clone(), away.clone());
    let mut parts = 0;
    let proxy = Proxy::start(&server.address, move |line| {
        parts += usize::from(is_part(line));
        if parts == 3 && from.exists() {
            std::fs::rename(&from, &to).unwrap();
        }
        Fault::None
    })
    .await;
    let store = proxy.store(server.config("main-store"));
    let (outputs, content) = outputs(files.path(), &[("a", 5 * PART)]);
    let planned = outputs.plan().await.unwrap();
    let ticket = store.create_upload(&key("build-1")).await.unwrap();
    let sender = sender_with(PATIENCE);
    let send = || {
        let (progress, stop) = (watch::Sender::new(0), CancellationToken::new());
        store.send(&sender, Some(&ticket), planned.clone(), progress, stop)
    };
    let failed = send().await.unwrap_err();
    assert!(matches!(failed, Error::Part { .. }), "{failed}");

    std::fs::rename(&away, &data).unwrap();
    let sent = send().await.unwrap();
    assert!(sent.reused >= PART_LENGTH, "{}", sent.reused);
    let total = content.len() as u64;
    store
        .complete(&ticket.key, Some(&ticket), &sent.content, total)
        .await
        .unwrap();
    assert_eq!(sent.content.crc64nvme, Crc64::of(&content));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_under_the_upload_fails_it_and_leaves_nothing() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    server.store("main-store").await;
    let (outputs, _) = outputs(files.path(), &[("a", 5 * PART)]);
    let path = outputs.files[0].1.clone();
    let mut changed = false;
    let proxy = Proxy::start(&server.address, move |line| {
        if is_part(line) && !std::mem::replace(&mut changed, true) {
            let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
            std::io::Write::write_all(&mut file, b"late").unwrap();
        }
        Fault::None
    })
    .await;
    let store = proxy.store(server.config("main-store"));
    let (progress, stop) = (watch::Sender::new(0), CancellationToken::new());
    let failed = store
        .upload(&sender(), &key("one"), outputs, progress, stop)
        .await
        .unwrap_err();
    assert!(matches!(failed, Error::FileChanged(_)), "{failed}");
    assert!(store.unfinished("").await.unwrap().is_empty());
}
