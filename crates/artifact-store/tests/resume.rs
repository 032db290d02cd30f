//! An upload that was left is gone on with, and whoever left it can't write any more.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

mod common;

use artifact_store::{Crc64, Error, Existing, PART_LENGTH, Store, UploadTicket, Verification};
use common::{Running, bytes, folder, key, outputs, publish_sent, sender};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const PART: usize = PART_LENGTH as usize;

async fn put(store: &Store, ticket: &UploadTicket, number: i32, content: &[u8]) {
    store
        .put_part(ticket, number, content.to_vec().into(), Crc64::of(content))
        .await
        .unwrap();
}

/// Who left the upload has three parts in the store: one of these files, one of others, and one cut short.
async fn left_by_another(store: &Store, content: &[u8]) -> UploadTicket {
    let ticket = store.create_upload(&key("build-1")).await.unwrap();
    put(store, &ticket, 1, &content[..PART]).await;
    put(store, &ticket, 2, &bytes(PART, 99)).await;
    put(store, &ticket, 3, &content[2 * PART..3 * PART - 1]).await;
    ticket
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_match_the_files_are_not_sent_again_and_all_others_are() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    let (outputs, content) = outputs(files.path(), &[("a", 3 * PART), ("b", 5)]);
    let planned = outputs.plan().await.unwrap();
    let ticket = left_by_another(&store, &content).await;
    let before = store.parts(&ticket).await.unwrap();

    let progress = watch::Sender::new(0);
    let seen = progress.subscribe();
    let sent = store
        .send(
            &sender(),
            Some(&ticket),
            planned,
            progress,
            CancellationToken::new(),
        )
        .await
        .unwrap();
    assert_eq!(sent.reused, PART_LENGTH);
    assert_eq!(*seen.borrow(), content.len() as u64);
    let after = store.parts(&ticket).await.unwrap();
    assert_eq!(after[0], before[0], "the part that matched stayed");
    assert_ne!(after[1].etag, before[1].etag);

    let artifact = publish_sent(&store, &ticket, sent).await.unwrap();
    let stored = store.get_manifest(&artifact).await.unwrap().unwrap();
    assert_eq!(
        store.verify_content(&stored).await.unwrap(),
        Verification::Matches
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_upload_leaves_what_it_sent_and_the_next_goes_on() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    let (outputs, content) = outputs(files.path(), &[("a", 8 * PART)]);
    let planned = outputs.plan().await.unwrap();
    let (progress, stop) = (watch::Sender::new(0), CancellationToken::new());
    let mut seen = progress.subscribe();
    let stopping = stop.clone();
    let stopper = tokio::spawn(async move {
        seen.wait_for(|&sent| sent > 0).await.map(|_| ()).unwrap();
        stopping.cancel();
    });
    let ticket = store.create_upload(&key("build-1")).await.unwrap();
    let stopped = store
        .send(&sender(), Some(&ticket), planned.clone(), progress, stop)
        .await;
    stopper.await.unwrap();
    assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");

    let left = store.unfinished("build-").await.unwrap().remove(0);
    let there = store.parts(&left.ticket).await.unwrap().len() as u64;
    assert!(there > 0);
    let sent = store
        .send(
            &sender(),
            Some(&left.ticket),
            planned,
            watch::Sender::new(0),
            CancellationToken::new(),
        )
        .await
        .unwrap();
    assert!(sent.reused >= there * PART_LENGTH);
    assert_eq!(sent.content.crc64nvme, Crc64::of(&content));
    publish_sent(&store, &ticket, sent).await.unwrap();
    assert!(store.unfinished("").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_left_an_upload_cannot_change_what_the_next_one_finishes() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    let (outputs, content) = outputs(files.path(), &[("a", 3 * PART)]);
    let planned = outputs.plan().await.unwrap();
    let ticket = left_by_another(&store, &content).await;
    let sender = sender();
    let send = || {
        let (progress, stop) = (watch::Sender::new(0), CancellationToken::new());
        store.send(&sender, Some(&ticket), planned.clone(), progress, stop)
    };

    // It wakes up between the last part and Complete, and sends a part of its own: Complete names each part as it was
    // compared, so it fails, and another try mends it.
    let sent = send().await.unwrap();
    put(&store, &ticket, 1, &bytes(PART, 77)).await;
    let content_before = sent.content.clone();
    let refused = publish_sent(&store, &ticket, sent).await.unwrap_err();
    assert!(matches!(refused, Error::Content(_)), "{refused}");
    // The store by itself refuses it too, should the part come between the look and Complete.
    let refused = store
        .complete_upload(
            &ticket,
            &content_before.parts,
            content_before.crc64nvme,
            Existing::Stays,
        )
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, Error::Request { code, .. } if code == "InvalidPart"),
        "{refused}"
    );
    let sent = send().await.unwrap();
    assert_eq!(sent.content.crc64nvme, Crc64::of(&content));
    let artifact = publish_sent(&store, &ticket, sent).await.unwrap();

    // Later than that its parts find no upload, and a second upload to the same place is refused at its end.
    let late = store.put_part(&ticket, 1, vec![1].into(), Crc64::of(&[1])).await;
    assert!(late.is_err());
    let second = store.create_upload(&ticket.key).await.unwrap();
    let other = bytes(100, 3);
    let part = store
        .put_part(&second, 1, other.clone().into(), Crc64::of(&other))
        .await
        .unwrap();
    let refused = store
        .complete_upload(&second, &[part], Crc64::of(&other), Existing::Stays)
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, Error::Request { code, .. } if code == "PreconditionFailed"),
        "{refused}"
    );
    assert_eq!(store.verify(&artifact).await.unwrap(), Verification::Matches);
}
