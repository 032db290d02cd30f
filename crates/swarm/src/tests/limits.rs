//! Rates, rests and preferences.

use super::region::{LIMIT, Region, connect};
use super::sample::Sample;
use crate::{Role, Source};
use model::control::{LIMIT_MIN, Limits};

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_keeps_to_a_rate_until_the_rate_is_lifted() {
    let sample = Sample::mixed(32 << 20);
    for (upload, download) in [(Some(LIMIT_MIN), None), (None, Some(LIMIT_MIN))] {
        let region = Region::new();
        let seed = region.start("manager", Role::Manager).await;
        let host = region.start("host", Role::Host).await;
        connect(&[&seed, &host]).await;
        let slow = Limits {
            upload_bytes_per_s: upload,
            download_bytes_per_s: download,
        };
        for member in [&seed, &host] {
            member.handle.set_limits(&slow);
        }
        seed.handle
            .serve(sample.manifest.clone(), Source::Remote(sample.source()))
            .await
            .unwrap();
        let begun = tokio::time::Instant::now();
        let folder = region.folder("host").join("artifact");
        let fetch = host
            .handle
            .fetch(sample.manifest.clone(), folder.clone())
            .await
            .unwrap();
        let mut progress = fetch.watch();
        // More than may come at once, and little of the whole, which takes 16 s at this rate.
        let some = progress.wait_for(|state| state.transfer.verified_bytes() >= 4 << 20);
        tokio::time::timeout(LIMIT, some).await.unwrap().unwrap();
        let (came, elapsed) = (fetch.progress().verified_bytes(), begun.elapsed());
        // A block and a burst may come at once.
        let allowed = elapsed.as_secs_f64() * LIMIT_MIN as f64 + f64::from(2 << 20);
        assert!((came as f64) < allowed, "{came} bytes in {elapsed:?}");

        for member in [&seed, &host] {
            member.handle.set_limits(&Limits::default());
        }
        tokio::time::timeout(LIMIT, fetch.done()).await.unwrap().unwrap();
        sample.assert_in(&folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_rests_until_it_is_told_to_go_on() {
    let region = Region::new();
    let sample = Sample::mixed(1 << 20);
    let seed = region.start("manager", Role::Manager).await;
    let host = region.start("host", Role::Host).await;
    let (artifact, folder) = (sample.manifest.id(), region.folder("host").join("artifact"));
    let fetch = host
        .handle
        .fetch(sample.manifest.clone(), folder.clone())
        .await
        .unwrap();
    host.handle.pause(artifact).await.unwrap();
    host.handle.prefer(artifact, 7).await.unwrap();
    connect(&[&seed, &host]).await;
    seed.handle
        .serve(sample.manifest.clone(), Source::Remote(sample.source()))
        .await
        .unwrap();
    // Hints are heard in order with all else that a peer says: the seed has said what it has.
    let mut hints = host.handle.hints();
    seed.handle.hint(&[host.peer()]).await.unwrap();
    tokio::time::timeout(LIMIT, hints.changed())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(fetch.progress().verified_bytes(), 0);

    host.handle.resume(artifact).await.unwrap();
    tokio::time::timeout(LIMIT, fetch.done()).await.unwrap().unwrap();
    sample.assert_in(&folder);
}
