//! Artifacts go in, come out, and are compared; through the real client and a real server.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

mod common;

use artifact_store::{Crc64, Error, PART_LENGTH, READ_LENGTH_MAX, Verification};
use common::{Running, blobs, bytes, copy, folder, key, outputs, publish, replace, sender, upload, verified};
use model::ArtifactId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const PART: usize = PART_LENGTH as usize;

#[tokio::test(flavor = "multi_thread")]
async fn many_files_of_odd_sizes_come_back_as_they_were() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    let (outputs, content) = outputs(
        files.path(),
        &[
            ("z/last", 3),
            ("bin/program", 2 * PART + 17),
            ("empty", 0),
            ("a/b/c", 65_537),
            ("a/b/d", 1),
            ("zz-empty", 0),
        ],
    );
    let progress = watch::Sender::new(0);
    let seen = progress.subscribe();
    let stop = CancellationToken::new();
    let uploaded = store
        .upload(&sender(), &key("one"), outputs, progress, stop)
        .await
        .unwrap();
    assert_eq!(*seen.borrow(), content.len() as u64);
    assert_eq!(uploaded.crc64nvme, Crc64::of(&content));
    let manifest = &uploaded.manifest;
    assert_eq!(manifest.content_hash(), *blake3::hash(&content).as_bytes());

    let artifact = publish(&store, &uploaded).await;
    let stored = store.get_manifest(&artifact).await.unwrap().unwrap();
    assert_eq!(
        (stored.total, stored.signed.unverified().unwrap()),
        (content.len() as u64, manifest.clone())
    );
    for range in [
        0..1,
        5..70_000,
        PART - 1..PART + 1,
        PART..2 * PART,
        content.len() - 9..content.len(),
        4..4,
    ] {
        let wanted = range.start as u64..range.end as u64;
        assert_eq!(
            store.read(&stored.content_key, wanted).await.unwrap(),
            content[range]
        );
    }
    for piece in 0..manifest.piece_count() {
        let read = store
            .read(&stored.content_key, manifest.piece_range(piece))
            .await
            .unwrap();
        assert!(manifest.verify_piece(piece, &read), "{piece}");
    }
    assert_eq!(store.verify(&artifact).await.unwrap(), Verification::Matches);
    assert_eq!(
        store.verify_content(&stored).await.unwrap(),
        Verification::Matches
    );
    assert!(store.unfinished("").await.unwrap().is_empty());
}

#[tokio::test]
async fn an_artifact_without_bytes_goes_the_same_way() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    let (store, other) = (
        server.store("main-store").await,
        server.store("region-store").await,
    );
    let (outputs, _) = outputs(files.path(), &[("empty", 0), ("also/empty", 0)]);
    let artifact = publish(&store, &upload(&store, "none", outputs).await).await;
    assert_eq!(store.verify(&artifact).await.unwrap(), Verification::Matches);
    copy(&store, &other, &artifact).await.unwrap();
    assert_eq!(other.verify(&artifact).await.unwrap(), Verification::Matches);
    let stored = other.get_manifest(&artifact).await.unwrap().unwrap();
    assert_eq!(
        other.verify_content(&stored).await.unwrap(),
        Verification::Matches
    );
}

#[tokio::test]
async fn a_read_beyond_its_limits_is_refused() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    let (outputs, _) = outputs(files.path(), &[("a", 100)]);
    upload(&store, "a", outputs).await;
    let too_long = store.read(&key("a"), 0..READ_LENGTH_MAX + 1).await.unwrap_err();
    assert!(matches!(too_long, Error::ReadTooLong(_)), "{too_long}");
    let short = store.read(&key("a"), 50..150).await.unwrap_err();
    assert!(
        matches!(
            short,
            Error::Short {
                expected: 100,
                found: 50,
                ..
            }
        ),
        "{short}"
    );
    assert!(store.read(&key("nothing"), 0..1).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_the_same_whether_the_server_copies_or_the_bytes_stream() {
    let (root, far_root, files) = (folder(), folder(), folder());
    let (server, far_server) = (
        Running::start(root.path()).await,
        Running::start(far_root.path()).await,
    );
    let main = server.store("main-store").await;
    let near = server.store("near-store").await;
    let far = far_server.store("far-store").await;
    let (outputs, content) = outputs(files.path(), &[("a", PART + 5), ("b", 2 * PART)]);
    let artifact = publish(&main, &upload(&main, "build-1", outputs).await).await;
    for replica in [&near, &far] {
        assert_eq!(replica.verify(&artifact).await.unwrap(), Verification::Absent);
        assert_eq!(
            copy(&main, replica, &artifact).await.unwrap(),
            content.len() as u64
        );
        assert_eq!(replica.verify(&artifact).await.unwrap(), Verification::Matches);
        let stored = replica.get_manifest(&artifact).await.unwrap().unwrap();
        assert_eq!(stored.content_key.as_str(), artifact.to_string());
        assert_eq!(
            replica.verify_content(&stored).await.unwrap(),
            Verification::Matches
        );
        // Copying what is there is quick and changes nothing.
        assert_eq!(
            copy(&main, replica, &artifact).await.unwrap(),
            content.len() as u64
        );
        assert!(replica.unfinished("").await.unwrap().is_empty());
    }
    let absent = ArtifactId([9; 32]);
    let error = copy(&main, &near, &absent).await;
    assert!(matches!(error, Err(Error::Absent(id)) if id == absent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_goes_on_where_another_stopped_and_notices_a_wrong_part() {
    let (root, far_root, files) = (folder(), folder(), folder());
    let (server, far_server) = (
        Running::start(root.path()).await,
        Running::start(far_root.path()).await,
    );
    let (main, far) = (
        server.store("main-store").await,
        far_server.store("far-store").await,
    );
    let (outputs, content) = outputs(files.path(), &[("a", 3 * PART + 1)]);
    let artifact = publish(&main, &upload(&main, "build-1", outputs).await).await;

    let replica = artifact_store::ContentKey::of_replica(&artifact);
    let left = far.create_upload(&replica).await.unwrap();
    let second = content[PART..2 * PART].to_vec();
    let kept = far
        .put_part(&left, 2, second.clone().into(), Crc64::of(&second))
        .await
        .unwrap();
    copy(&main, &far, &artifact).await.unwrap();
    assert_eq!(far.verify(&artifact).await.unwrap(), Verification::Matches);
    let record = far_root.path().join("buckets/far-store/objects");
    let used = std::fs::read_dir(record).unwrap().any(|entry| {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let file = kept.etag.trim_matches('"').parse::<uuid::Uuid>().unwrap();
        text.contains(&file.to_string())
    });
    assert!(used, "the part that was there was sent again");

    // A left part with other bytes: the copy fails at its end, and the next one succeeds.
    let near = server.store("near-store").await;
    let left = near.create_upload(&replica).await.unwrap();
    let wrong = bytes(PART, 99);
    near.put_part(&left, 1, wrong.clone().into(), Crc64::of(&wrong))
        .await
        .unwrap();
    let first = copy(&main, &near, &artifact).await;
    assert!(first.is_err());
    assert_eq!(near.verify(&artifact).await.unwrap(), Verification::Absent);
    copy(&main, &near, &artifact).await.unwrap();
    assert_eq!(near.verify(&artifact).await.unwrap(), Verification::Matches);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_and_changed_bytes_are_detected() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    let main = server.store("main-store").await;
    let (good, content) = outputs(files.path(), &[("a", 300_000)]);
    let artifact = publish(&main, &upload(&main, "key-1", good).await).await;
    let stored = main.get_manifest(&artifact).await.unwrap().unwrap();

    // Other content of the same length at the same key.
    replace(&main, "key-1", bytes(300_000, 50)).await;
    assert!(
        matches!(main.verify(&artifact).await.unwrap(), Verification::Differs(why) if why.contains("CRC64"))
    );
    let found = main.verify_content(&stored).await.unwrap();
    assert!(matches!(found, Verification::Differs(why) if why.contains("piece 0")));

    // A shorter one.
    replace(&main, "key-1", bytes(200_000, 1)).await;
    assert!(
        matches!(main.verify(&artifact).await.unwrap(), Verification::Differs(why) if why.contains("bytes"))
    );

    // The right one again, then a byte rots on the disk, then its file is lost.
    replace(&main, "key-1", content).await;
    assert_eq!(main.verify(&artifact).await.unwrap(), Verification::Matches);
    let blob = blobs(root.path(), "main-store")
        .into_iter()
        .find(|path| path.metadata().unwrap().len() == 300_000)
        .unwrap();
    let mut rotten = std::fs::read(&blob).unwrap();
    rotten[150_000] ^= 1;
    std::fs::write(&blob, rotten).unwrap();
    let found = main.verify_content(&stored).await.unwrap();
    assert!(matches!(found, Verification::Differs(why) if why.contains("piece 2")));
    std::fs::remove_file(&blob).unwrap();
    let found = main.verify(&artifact).await.unwrap();
    assert!(matches!(found, Verification::Differs(why) if why.contains("missing")));
}

#[tokio::test]
async fn an_output_that_changed_since_it_was_listed_is_refused() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    let try_upload = async |outputs| {
        store
            .upload(
                &sender(),
                &key("a"),
                outputs,
                watch::Sender::new(0),
                CancellationToken::new(),
            )
            .await
            .unwrap_err()
    };
    let (longer, _) = outputs(files.path(), &[("a", 100)]);
    std::fs::write(&longer.files[0].1, bytes(101, 1)).unwrap();
    assert!(matches!(try_upload(longer).await, Error::FileChanged(_)));
    let (link, _) = outputs(files.path(), &[("a", 100)]);
    let real = files.path().join("real");
    std::fs::rename(&link.files[0].1, &real).unwrap();
    std::os::unix::fs::symlink(&real, &link.files[0].1).unwrap();
    assert!(matches!(try_upload(link).await, Error::FileChanged(_)));
    let (gone, _) = outputs(folder().path(), &[("a", 100)]);
    assert!(matches!(try_upload(gone).await, Error::File(_)));
    assert!(store.unfinished("").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_back_to_a_folder_as_they_were_and_no_wrong_piece_is_written() {
    let (root, files) = (folder(), folder());
    let server = Running::start(root.path()).await;
    let store = server.store("main-store").await;
    let (outputs, content) = outputs(files.path(), &[("bin/a", 2 * PART + 9), ("b", 0), ("c", 70_000)]);
    let artifact = publish(&store, &upload(&store, "one", outputs).await).await;
    let stored = store.get_manifest(&artifact).await.unwrap().unwrap();
    let manifest = verified(&stored.signed);
    let target = folder();
    store
        .download(&stored.content_key, manifest.clone(), target.path())
        .await
        .unwrap();
    let mut found = Vec::new();
    for entry in manifest.files() {
        let path = target.path().join(entry.path.as_str());
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o111 != 0, entry.executable, "{path:?}");
        found.extend(std::fs::read(path).unwrap());
    }
    assert!(found == content);

    // What is there already is not written over.
    let again = store
        .download(&stored.content_key, manifest.clone(), target.path())
        .await;
    assert!(matches!(again, Err(Error::File(_))));
    let mut wrong = content;
    wrong[70_001] ^= 1;
    replace(&store, "one", wrong[..PART].to_vec()).await;
    let other = folder();
    let refused = store.download(&stored.content_key, manifest, other.path()).await;
    assert!(
        matches!(
            refused,
            Err(Error::WrongPiece(_) | Error::Short { .. } | Error::Request { .. })
        ),
        "{refused:?}"
    );
}
