//! Addresses that let somebody without credentials read one artifact, or put one part, for a while.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

mod common;

use artifact_store::{
    ADDRESS_LIFETIME_MAX, Crc64, Error, Outputs, PART_LENGTH, PartAddress, PartOrder, PartSigner,
    SignedAddress, Store, UploadTicket,
};
use common::{Running, folder, key, outputs, sender, upload};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Client, Method, Response, StatusCode};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A store with one artifact's content in it.
struct World {
    _folders: (TempDir, TempDir),
    _server: Running,
    store: Store,
    content: Vec<u8>,
    client: Client,
}

impl World {
    async fn new() -> Self {
        // An earlier test of this process may have installed it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (root, files) = (folder(), folder());
        let server = Running::start(root.path()).await;
        let store = server.store("region").await;
        let (outputs, content) = outputs(files.path(), &[("bin/run", 300_000), ("note", 7)]);
        upload(&store, "content", outputs).await;
        Self {
            _folders: (root, files),
            _server: server,
            store,
            content,
            client: Client::new(),
        }
    }

    async fn sign(&self, lifetime: Duration) -> SignedAddress {
        self.store
            .presign_content(&key("content"), lifetime)
            .await
            .unwrap()
    }

    async fn get(&self, address: &str, range: Option<&str>) -> Response {
        let request = self.client.get(address);
        let request = match range {
            Some(range) => request.header(RANGE, range),
            None => request,
        };
        request.send().await.unwrap()
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn whoever_knows_the_address_reads_the_content_whole_or_in_part() {
    let world = World::new().await;
    let address = world.sign(HOUR).await;
    let whole = world.get(address.expose(), None).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert!(whole.bytes().await.unwrap() == world.content);

    let part = world.get(address.expose(), Some("bytes=65536-131071")).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    let total = world.content.len();
    assert_eq!(
        part.headers()[CONTENT_RANGE],
        format!("bytes 65536-131071/{total}").as_str()
    );
    assert!(part.bytes().await.unwrap() == world.content[65_536..131_072]);

    let beyond = world.get(address.expose(), Some("bytes=300007-300008")).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn the_address_opens_nothing_else() {
    let world = World::new().await;
    let address = world.sign(HOUR).await;
    let other = address.expose().replace("content/content", "content/another");
    assert_ne!(other, address.expose());
    assert_eq!(world.get(&other, None).await.status(), StatusCode::FORBIDDEN);
    let unsigned = address.expose().split('?').next().unwrap();
    assert_eq!(world.get(unsigned, None).await.status(), StatusCode::FORBIDDEN);
    for method in [Method::PUT, Method::DELETE] {
        let answer = world
            .client
            .request(method, address.expose())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn an_address_expires() {
    let world = World::new().await;
    let address = world.sign(Duration::from_secs(1)).await;
    let expired = async {
        while world.get(address.expose(), Some("bytes=0-0")).await.status() != StatusCode::FORBIDDEN {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), expired)
        .await
        .expect("an address that is refused once its time is over");
}

#[tokio::test]
async fn an_address_for_longer_than_a_week_is_refused_and_none_is_ever_shown() {
    let world = World::new().await;
    let too_long = ADDRESS_LIFETIME_MAX + Duration::from_secs(1);
    assert!(
        world
            .store
            .presign_content(&key("content"), too_long)
            .await
            .is_err()
    );
    let address = world.sign(HOUR).await;
    assert_eq!(format!("{address:?}"), "SignedAddress(…)");
}

/// An upload of one part, and an address for that part.
async fn begun(world: &World, bytes: &[u8], lifetime: Duration) -> (UploadTicket, PartOrder, PartAddress) {
    let upload = world.store.create_upload(&key("begun")).await.unwrap();
    let part = PartOrder {
        number: 1,
        length: bytes.len() as u64,
        crc64nvme: Crc64::of(bytes),
    };
    let address = world.store.presign_part(&upload, &part, lifetime).await.unwrap();
    (upload, part, address)
}

/// Signs always the same, whatever it is asked.
struct Always(PartAddress);

#[async_trait::async_trait]
impl PartSigner for Always {
    async fn sign(&self, _: &PartOrder) -> Result<PartAddress, Error> {
        Ok(self.0.clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_for_a_part_takes_that_very_part_and_no_other() {
    let world = World::new().await;
    let (files, sender) = (folder(), sender());
    let (right, content) = outputs(files.path(), &[("a", 1_000)]);
    let (upload, _, address) = begun(&world, &content, HOUR).await;
    assert_eq!(format!("{address:?}"), "PartAddress(…)");
    let send = async |outputs: Outputs| {
        let outputs = outputs.plan().await.unwrap();
        let (progress, stop) = (watch::Sender::new(0), CancellationToken::new());
        let signer = Always(address.clone());
        sender.send(&signer, outputs, Vec::new(), progress, stop).await
    };
    // Of another length, and of the same with another byte: the address is not for them.
    let shorter = folder();
    let (shorter_outputs, _) = outputs(shorter.path(), &[("a", 999)]);
    let other = folder();
    let (other_outputs, mut bytes) = outputs(other.path(), &[("a", 1_000)]);
    bytes[500] ^= 1;
    std::fs::write(&other_outputs.files[0].1, bytes).unwrap();
    for wrong in [shorter_outputs, other_outputs] {
        let refused = send(wrong).await.unwrap_err();
        assert!(matches!(refused, Error::Part { number: 1, .. }), "{refused}");
        assert!(world.store.parts(&upload).await.unwrap().is_empty());
    }
    let sent = send(right).await.unwrap();
    let total = content.len() as u64;
    world
        .store
        .complete(&upload.key, Some(&upload), &sent.content, total)
        .await
        .unwrap();
}

#[tokio::test]
async fn no_address_is_signed_for_a_part_that_no_upload_has() {
    let world = World::new().await;
    let upload = world.store.create_upload(&key("begun")).await.unwrap();
    for (number, length) in [(0, 1), (10_001, 1), (1, 0), (1, PART_LENGTH + 1)] {
        let part = PartOrder {
            number,
            length,
            crc64nvme: Crc64::empty(),
        };
        let refused = world.store.presign_part(&upload, &part, HOUR).await.unwrap_err();
        assert!(matches!(refused, Error::PartOrder(_)), "{refused}");
    }
}
