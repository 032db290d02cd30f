//! The server's own promises: what it refuses, and what survives its end.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

mod common;

use artifact_store::{Config, Crc64, Error, Existing, PART_LENGTH, Store, Verification};
use common::{Running, blobs, bytes, folder, key, outputs, publish, upload};

const PART: usize = PART_LENGTH as usize;

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_after_a_restart() {
    let root = folder();
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    let content = bytes(2 * PART + 3, 1);
    let chunks: Vec<&[u8]> = content.chunks(PART).collect();
    let ticket = store.create_upload(&key("a")).await.unwrap();
    for (number, chunk) in (1..).zip(&chunks[..2]) {
        store
            .put_part(&ticket, number, chunk.to_vec().into(), Crc64::of(chunk))
            .await
            .unwrap();
    }
    // What a crash in the middle of a part leaves.
    let torn = root
        .path()
        .join("buckets/main-store/data/018f0000-0000-7000-8000-000000000000");
    std::fs::write(&torn, b"half a part").unwrap();
    server.end().await;

    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    assert!(!torn.exists());
    let left = store.unfinished("").await.unwrap();
    assert_eq!(
        left.iter().map(|upload| &upload.ticket).collect::<Vec<_>>(),
        [&ticket]
    );
    let mut parts = store.parts(&ticket).await.unwrap();
    assert_eq!(
        parts
            .iter()
            .map(|part| (part.number, part.length))
            .collect::<Vec<_>>(),
        [(1, PART_LENGTH), (2, PART_LENGTH)]
    );
    let last = store
        .put_part(&ticket, 3, chunks[2].to_vec().into(), Crc64::of(chunks[2]))
        .await
        .unwrap();
    parts.push(last);
    store
        .complete_upload(&ticket, &parts, Crc64::of(&content), Existing::Stays)
        .await
        .unwrap();
    // Asked again, as by a client that missed the answer.
    store
        .complete_upload(&ticket, &parts, Crc64::of(&content), Existing::Stays)
        .await
        .unwrap();
    server.end().await;

    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    assert!(store.unfinished("").await.unwrap().is_empty());
    let middle = PART_LENGTH - 2..PART_LENGTH + 2;
    assert_eq!(
        store.read(&key("a"), middle).await.unwrap(),
        content[PART - 2..PART + 2]
    );
    assert_eq!(blobs(root.path(), "main-store").len(), 3);
}

#[tokio::test]
async fn an_aborted_upload_is_gone_with_its_parts() {
    let root = folder();
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    let (kept, dead) = (
        store.create_upload(&key("kept")).await.unwrap(),
        store.create_upload(&key("dead")).await.unwrap(),
    );
    for ticket in [&kept, &dead] {
        store
            .put_part(ticket, 1, vec![1; 10].into(), Crc64::of(&[1; 10]))
            .await
            .unwrap();
    }
    store.abort_upload(&dead).await.unwrap();
    assert_eq!(blobs(root.path(), "main-store").len(), 1);
    let late = store.put_part(&dead, 2, vec![1].into(), Crc64::of(&[1])).await;
    assert!(late.is_err());
    assert!(
        store
            .complete_upload(&dead, &[], Crc64::empty(), Existing::Stays)
            .await
            .is_err()
    );
    // Aborting what is gone is fine.
    store.abort_upload(&dead).await.unwrap();
    let left: Vec<_> = store
        .unfinished("")
        .await
        .unwrap()
        .into_iter()
        .map(|upload| upload.ticket)
        .collect();
    assert_eq!(left, [kept]);
}

#[tokio::test]
async fn a_part_that_does_not_match_its_checksum_is_refused() {
    let root = folder();
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    let ticket = store.create_upload(&key("a")).await.unwrap();
    let error = store
        .put_part(&ticket, 1, vec![1; 100].into(), Crc64::of(&[2; 100]))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Request { code, .. } if code == "BadDigest"),
        "{error}"
    );
    assert!(store.parts(&ticket).await.unwrap().is_empty());
    assert!(blobs(root.path(), "main-store").is_empty());
    // A part that is right, but a whole that isn't.
    let part = store
        .put_part(&ticket, 1, vec![1; 100].into(), Crc64::of(&[1; 100]))
        .await
        .unwrap();
    let error = store
        .complete_upload(&ticket, &[part], Crc64(1), Existing::Stays)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Request { code, .. } if code == "BadDigest"),
        "{error}"
    );
}

#[tokio::test]
async fn parts_that_are_missing_changed_or_too_short_do_not_complete() {
    let root = folder();
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    let ticket = store.create_upload(&key("a")).await.unwrap();
    let crc = Crc64::of(&[1; 100]);
    let old = store
        .put_part(&ticket, 1, vec![1; 100].into(), crc)
        .await
        .unwrap();
    let new = store
        .put_part(&ticket, 1, vec![1; 100].into(), crc)
        .await
        .unwrap();
    let second = store
        .put_part(&ticket, 2, vec![1; 100].into(), crc)
        .await
        .unwrap();
    let both = crc.followed_by(crc, 100);
    let missing = artifact_store::Part {
        number: 3,
        ..second.clone()
    };
    for (parts, wanted) in [
        (vec![old], "InvalidPart"),
        (vec![missing], "InvalidPart"),
        (vec![second.clone(), new.clone()], "InvalidPartOrder"),
        (vec![new, second], "EntityTooSmall"),
        (vec![], "MalformedXML"),
    ] {
        let error = store
            .complete_upload(&ticket, &parts, both, Existing::Stays)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Request { code, .. } if code == wanted),
            "{wanted}: {error}"
        );
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused() {
    let root = folder();
    let server = Running::start(root.path()).await;
    server.store("main-store").await;
    for (id, secret) in [("starling", "wrong"), ("nobody", "murmuration")] {
        let config = Config {
            access_key_id: id.to_owned(),
            secret_access_key: secret.to_owned().into(),
            ..server.config("main-store")
        };
        let store = Store::connect(&config).unwrap();
        let error = store.create_upload(&key("a")).await.unwrap_err();
        assert!(error.is_denied(), "{error}");
        assert!(store.read(&key("a"), 0..1).await.unwrap_err().is_denied());
        assert!(!format!("{config:?} {store:?} {error:?}").contains(secret) || secret == "murmuration");
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused() {
    let root = folder();
    let server = Running::start(root.path()).await;
    let endpoint = |text: &str| Config {
        endpoint: Some(text.to_owned()),
        ..server.config("main-store")
    };
    assert!(Store::connect(&endpoint("ftp://x")).is_err());
    assert!(
        Store::connect(&Config {
            bucket: String::new(),
            ..server.config("x")
        })
        .is_err()
    );
    assert!(Store::connect(&endpoint("https://store.example")).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn published_artifacts_survive_a_restart_and_leave_no_spare_files() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    let (first, content) = outputs(files.path(), &[("a", PART + 1)]);
    upload(&store, "key-1", first.clone()).await;
    // The same again: it is there already, and the second one's blobs are removed.
    let artifact = publish(&store, &upload(&store, "key-1", first).await).await;
    assert_eq!(blobs(root.path(), "main-store").len(), 3);
    server.end().await;
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    assert_eq!(store.verify(&artifact).await.unwrap(), Verification::Matches);
    assert_eq!(store.artifacts(None).await.unwrap(), [artifact]);
    assert_eq!(store.artifacts(Some(&artifact)).await.unwrap(), []);
    let tail = content.len() as u64 - 5..content.len() as u64;
    assert_eq!(
        store.read(&key("key-1"), tail).await.unwrap(),
        content[content.len() - 5..]
    );
}

#[tokio::test]
async fn a_damaged_record_stops_the_start_instead_of_losing_an_object() {
    let root = folder();
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    let files = folder();
    upload(&store, "a", outputs(files.path(), &[("a", 10)]).0).await;
    server.end().await;
    let records = root.path().join("buckets/main-store/objects");
    let record = std::fs::read_dir(records)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::write(&record, "{").unwrap();
    let started = artifact_store::server::Server::bind(artifact_store::server::Config {
        root: root.path().to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        access_key_id: "starling".to_owned(),
        secret_access_key: "murmuration".to_owned().into(),
    });
    let error = started.await.unwrap_err();
    assert!(matches!(error, artifact_store::server::Error::Record { path, .. } if path == record));
}
