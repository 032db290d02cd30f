//! Addresses that let a host without credentials read one artifact for a while.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

mod common;

use artifact_store::{ADDRESS_LIFETIME_MAX, SignedAddress, Store};
use common::{Running, folder, key, outputs, upload};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Client, Method, Response, StatusCode};
use std::time::Duration;
use tempfile::TempDir;

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
