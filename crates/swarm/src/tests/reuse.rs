//! What another artifact on the same disk holds already is not fetched.

use super::region::{LIMIT, Member, Region, connect};
use super::sample::Sample;
use crate::{Donor, Role, Source};
use model::instance::Transfer;

const OLD: &[(&str, u64, bool)] = &[
    ("bin/program", 3 << 20, true),
    ("data/a", 700_000, false),
    ("data/b", 900_000, false),
];

/// A seed that gives `new`, and a host that has `old` in the folder that is returned with it.
async fn stage(region: &Region, old: &Sample, new: &Sample) -> (Member, Member, Donor) {
    let seed = region.start("manager", Role::Manager).await;
    let host = region.start("host", Role::Host).await;
    connect(&[&seed, &host]).await;
    let source = Source::Remote(new.source());
    seed.handle.serve(new.manifest.clone(), source).await.unwrap();
    let folder = region.folder("host").join("old");
    old.write_to(&folder);
    let donor = Donor {
        manifest: old.manifest.clone(),
        folder,
    };
    (seed, host, donor)
}

async fn fetch(region: &Region, host: &Member, new: &Sample, donor: Donor) -> Transfer {
    let folder = region.folder("host").join("new");
    let fetch = host
        .handle
        .fetch_reusing(new.manifest.clone(), folder.clone(), vec![donor])
        .await
        .unwrap();
    let transfer = tokio::time::timeout(LIMIT, fetch.done()).await.unwrap().unwrap();
    new.assert_in(&folder);
    assert_eq!(transfer.verified_bytes(), transfer.total_bytes);
    transfer
}

/// The pieces of `new` that a change of these bytes of its content touches, in bytes.
fn touched(new: &Sample, changed: impl Fn(u32) -> bool) -> u64 {
    let pieces = (0..new.manifest.piece_count()).filter(|piece| changed(*piece));
    pieces
        .map(|piece| {
            let range = new.manifest.piece_range(piece);
            range.end - range.start
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_release_that_differs_in_one_file_only_that_file_travels() {
    let region = Region::new();
    let old = Sample::new(OLD);
    let new = old.with_changed("data/a", |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 0x55));
    let (_seed, host, donor) = stage(&region, &old, &new).await;
    let transfer = fetch(&region, &host, &new, donor).await;
    let differs = touched(&new, |piece| {
        new.manifest.piece_hash(piece) != old.manifest.piece_hash(piece)
    });
    assert_eq!(transfer.seed_bytes, differs);
    assert_eq!(transfer.local_bytes, transfer.total_bytes - differs);
    assert!(differs < 1 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_behind_one_that_grew_are_found_at_their_place_although_every_hash_is_another() {
    let region = Region::new();
    let old = Sample::new(OLD);
    let new = old.with_changed("bin/program", |bytes| bytes.resize((3 << 20) + 12_345, 7));
    let (_seed, host, donor) = stage(&region, &old, &new).await;
    let transfer = fetch(&region, &host, &new, donor).await;
    // The bytes that were added, and what shares a piece with them.
    assert!(transfer.seed_bytes <= 3 * 65_536, "{transfer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_donor_that_does_not_hold_what_its_manifest_says_is_not_believed() {
    let region = Region::new();
    let old = Sample::new(OLD);
    let new = old.with_changed("data/b", |bytes| bytes[0] ^= 1);
    let (_seed, host, donor) = stage(&region, &old, &new).await;
    let program = donor.folder.join("bin/program");
    let mut bytes = std::fs::read(&program).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&program, bytes).unwrap();
    std::fs::remove_file(donor.folder.join("data/a")).unwrap();
    let transfer = fetch(&region, &host, &new, donor).await;
    assert!(transfer.local_bytes >= 2 << 20, "{transfer:?}");
    assert!(transfer.seed_bytes >= 700_000 + 65_536, "{transfer:?}");
}
