//! The region's store as a source beside peers.

use super::region::{LIMIT, Member, Region, connect};
use super::sample::Sample;
use crate::{Error, Fetch, FetchState, PieceSource, Role, Source};
use bytes::Bytes;
use model::instance::Transfer;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use swarm_core::PieceSet;
use swarm_core::store_share::{SLOTS, pieces_of_slots};
use tokio::sync::Notify;

/// A store that counts how often each piece is read of it, and may misbehave.
struct Shop {
    sample: Sample,
    reads: Vec<AtomicU32>,
    closed: AtomicBool,
    lies: AtomicBool,
    /// While there are none, a reader waits.
    open: Option<Notify>,
}

impl Shop {
    fn new(sample: Sample, open: Option<Notify>) -> Arc<Self> {
        let pieces = sample.manifest.piece_count();
        Arc::new(Self {
            sample,
            reads: (0..pieces).map(|_| AtomicU32::new(0)).collect(),
            closed: AtomicBool::new(false),
            lies: AtomicBool::new(false),
            open,
        })
    }

    fn pieces(&self) -> u32 {
        self.sample.manifest.piece_count()
    }

    fn reads(&self) -> u32 {
        self.reads.iter().map(|reads| reads.load(Ordering::Relaxed)).sum()
    }
}

#[async_trait::async_trait]
impl PieceSource for Shop {
    async fn read(&self, piece: u32, range: Range<u64>) -> io::Result<Bytes> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.reads[piece as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(open) = &self.open {
            open.notified().await;
        }
        let bytes = self
            .sample
            .content
            .slice(range.start as usize..range.end as usize);
        if self.lies.load(Ordering::Relaxed) {
            return Ok(vec![0xAA; bytes.len()].into());
        }
        Ok(bytes)
    }
}

async fn fetch(region: &Region, host: &Member, shop: &Arc<Shop>, share: PieceSet) -> Fetch {
    let folder = region.folder(&host.name).join("artifact");
    let manifest = shop.sample.manifest.clone();
    let artifact = manifest.id();
    let fetch = host.handle.fetch(manifest, folder).await.unwrap();
    host.handle
        .offer_store(artifact, shop.clone(), share)
        .await
        .unwrap();
    fetch
}

async fn done(fetch: Fetch) -> Transfer {
    tokio::time::timeout(LIMIT, fetch.done()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_without_any_seed_read_the_store_about_once_and_have_everything() {
    let region = Region::new();
    let shop = Shop::new(Sample::mixed(16 << 20), None);
    let hosts = region.hosts(4).await;
    connect(&hosts.iter().collect::<Vec<_>>()).await;
    let mut fetches = Vec::new();
    for (host, number) in hosts.iter().zip(0..) {
        let slots = (0..SLOTS).filter(|slot| slot % 4 == number);
        let slots = slots.fold(0, |slots, slot| slots | 1 << slot);
        let share = pieces_of_slots(slots, 7, shop.pieces());
        fetches.push(fetch(&region, host, &shop, share).await);
    }
    let (mut store_bytes, mut peer_bytes) = (0, 0);
    for (host, fetch) in hosts.iter().zip(fetches) {
        let transfer = done(fetch).await;
        shop.sample.assert_in(&region.folder(&host.name).join("artifact"));
        assert_eq!(transfer.verified_bytes(), transfer.total_bytes, "{transfer:?}");
        store_bytes += transfer.store_bytes;
        peer_bytes += transfer.peer_bytes;
    }
    let total = shop.sample.manifest.total_length();
    assert!(
        store_bytes >= total && store_bytes < total * 3 / 2,
        "{store_bytes}"
    );
    assert_eq!(store_bytes + peer_bytes, total * 4);
    assert!(shop.reads() < shop.pieces() * 3 / 2, "{} reads", shop.reads());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_was_told_to_read_is_read_as_the_last_resort() {
    let region = Region::new();
    let shop = Shop::new(Sample::mixed(1 << 20), None);
    let host = region.start("host", Role::Host).await;
    let transfer = done(fetch(&region, &host, &shop, PieceSet::empty(shop.pieces())).await).await;
    assert_eq!(transfer.store_bytes, transfer.total_bytes);
    assert_eq!(shop.reads(), shop.pieces());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_address_is_waited_out_and_a_new_one_ends_the_wait() {
    let region = Region::new();
    let shop = Shop::new(Sample::mixed(1 << 20), None);
    shop.closed.store(true, Ordering::Relaxed);
    let host = region.start("host", Role::Host).await;
    let all = PieceSet::full(shop.pieces());
    let fetch = fetch(&region, &host, &shop, all.clone()).await;
    let renewed = Shop::new(Sample::mixed(1 << 20), None);
    let artifact = shop.sample.manifest.id();
    host.handle
        .offer_store(artifact, renewed.clone(), all)
        .await
        .unwrap();
    assert_eq!(done(fetch).await.store_bytes, shop.sample.manifest.total_length());
    assert_eq!(shop.reads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_of_the_store_are_thrown_away_and_a_seed_gives_the_right_ones() {
    let region = Region::new();
    let shop = Shop::new(Sample::mixed(1 << 20), None);
    shop.lies.store(true, Ordering::Relaxed);
    let host = region.start("host", Role::Host).await;
    let fetch = fetch(&region, &host, &shop, PieceSet::full(shop.pieces())).await;
    let wasted = |state: &FetchState| state.transfer.wasted_bytes > 0;
    tokio::time::timeout(LIMIT, fetch.watch().wait_for(wasted))
        .await
        .unwrap()
        .unwrap();

    let seed = region.start("manager", Role::Manager).await;
    let source = Source::Remote(shop.sample.source());
    seed.handle
        .serve(shop.sample.manifest.clone(), source)
        .await
        .unwrap();
    connect(&[&seed, &host]).await;
    let transfer = done(fetch).await;
    assert_eq!(transfer.seed_bytes, transfer.total_bytes, "{transfer:?}");
    shop.sample.assert_in(&region.folder("host").join("artifact"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_withdrawn_is_read_no_more_and_holds_nothing_up() {
    let region = Region::new();
    let shop = Shop::new(Sample::mixed(1 << 20), Some(Notify::new()));
    let artifact = shop.sample.manifest.id();
    let host = region.start("host", Role::Host).await;
    let fetch = fetch(&region, &host, &shop, PieceSet::full(shop.pieces())).await;
    let reading = async {
        while shop.reads() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, reading).await.unwrap();
    // The store never answers. Forgetting waits for what still writes, so this would hang.
    host.handle.withdraw_store(artifact).await.unwrap();
    host.handle.forget(artifact).await.unwrap();
    assert!(matches!(fetch.done().await, Err(Error::Forgotten)));
    let offered = host
        .handle
        .offer_store(artifact, shop.clone(), PieceSet::full(shop.pieces()))
        .await;
    assert!(matches!(offered, Err(Error::Forgotten)), "{offered:?}");
}
