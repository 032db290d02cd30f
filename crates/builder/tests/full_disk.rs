//! A main store whose disk is full.

#![allow(clippy::unwrap_used)]

mod common;

use artifact_store::Verification;
use common::{Fixture, project, serve, store_at};
use model::{Attempt, BuildState};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A file system of its own; unmounted when it is dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this process may not mount.
    fn of(folder: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir(folder).unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], folder)
            .then(|| Self(folder.to_owned()))
    }

    fn resize(&self, size: &str) {
        assert!(mount(&["-o", &format!("remount,size={size}")], &self.0));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str], folder: &Path) -> bool {
    let mounted = Command::new("mount").args(arguments).arg(folder).output();
    mounted.is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_to_a_full_disk_says_so_is_tried_again_and_goes_on_with_what_is_there() {
    let fixture = Fixture::new().await;
    let Some(disk) = Disk::of(&fixture.path("small"), "24m") else {
        eprintln!("SKIPPED: this process may not mount a small disk");
        return;
    };
    let store = store_at(serve(disk.0.join("store"), CancellationToken::new()).await);
    store.ensure_bucket().await.unwrap();
    let parts = fixture.parts_at(&fixture.serve_api(store.clone()).await);
    let worker = fixture.start_with(fixture.config("worker"), parts.clone());
    // Three parts, of which the disk holds one.
    let commit = fixture.commit(&project("yes murmuration | head -c 40000000 > out"));
    let build = fixture.enqueue(&commit, "//:it").await;
    let row = fixture
        .until(build, |row| {
            row.attempt == Attempt(1) && row.state == BuildState::Queued
        })
        .await;
    let reason = fixture
        .jobs
        .attempts(row.id)
        .await
        .unwrap()
        .remove(0)
        .reason
        .unwrap();
    assert!(
        reason.starts_with("failed to store the artifact") && reason.contains("StorageFull"),
        "{reason}"
    );
    worker.stop.cancel();
    worker.task.await.unwrap().unwrap();

    disk.resize("200m");
    let mut config = fixture.config("worker-2");
    config.lease_window = Duration::from_secs(10);
    let _reaper = fixture.start_reaper(config.lease_window);
    let _worker = fixture.start_with(config, parts);
    let row = fixture.ended(build).await;
    assert_eq!(
        (row.state, row.attempt),
        (BuildState::Succeeded, Attempt(2)),
        "{row:#?}"
    );
    let artifact = row.artifact.unwrap();
    let stored = store.get_manifest(&artifact).await.unwrap().unwrap();
    assert_eq!(
        store.verify_content(&stored).await.unwrap(),
        Verification::Matches
    );
    assert_eq!(store.unfinished("").await.unwrap(), []);
    let log = fixture.log(build).await;
    assert!(log.contains("left by an earlier attempt"), "{log}");
}
