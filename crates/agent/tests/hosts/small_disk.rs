//! A host whose disk is full: it says so, keeps what runs, and goes on by itself once there is room.

use crate::artifacts::{beacon, pack};
use crate::host::{Host, order, reaches, reported, version};
use crate::manager::{FakeManager, Region};
use model::TaskState;
use model::deployment::Directive::Activate;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the file system holds in all, in MiB: more than the agent's reserve of 64.
const DISK_MIB: usize = 112;
/// What somebody else puts there.
const FILLER_MIB: usize = 48;

/// A file system in memory; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(place: &Path) -> Self {
        std::fs::create_dir_all(place).unwrap();
        let options = format!("size={DISK_MIB}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "starling-test"])
            .arg(place)
            .status()
            .unwrap();
        assert!(
            mounted.success(),
            "this test mounts a small file system, and must be let"
        );
        Self(place.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since the agent may still have a file open. A failure leaves a mount in a test's folder.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Whoever is not root may still mount in a namespace of its own, where the test runs once more.
fn runs_elsewhere(test: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return false;
    }
    let again = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .status();
    assert!(again.unwrap().success(), "failed in a namespace of its own");
    true
}

#[tokio::test]
async fn a_full_disk_is_said_in_words_keeps_what_runs_and_heals_once_there_is_room() {
    if runs_elsewhere("small_disk::a_full_disk_is_said_in_words_keeps_what_runs_and_heals_once_there_is_room")
    {
        return;
    }
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let first = manager
        .seed(&pack(files.path(), beacon(), "first"), &region.key)
        .await;
    let second = manager
        .seed(&pack(files.path(), beacon(), "second"), &region.key)
        .await;
    let host = Host::new(&region, &[&manager]);
    let disk = SmallDisk::mount(&host.config.folder);
    let agent = host.start(&region).await;
    manager.order([order("web", 1, 1, first, Activate)]);
    let port = reaches(&manager, "web", 1, TaskState::Healthy)
        .await
        .port
        .unwrap();

    let filler = disk.0.join("somebody-elses");
    std::fs::write(&filler, vec![1; FILLER_MIB << 20]).unwrap();
    manager.order([
        order("web", 2, 2, second, Activate),
        order("other", 1, 1, first, Activate),
    ]);
    let instance = reaches(&manager, "web", 2, TaskState::Error).await;
    let reason = instance.reason.unwrap();
    for words in [
        host.config.folder.to_str().unwrap(),
        "bytes more must be free",
        "delete",
    ] {
        assert!(reason.contains(words), "{words:?} is not in {reason:?}");
    }
    let in_trouble = |report: &model::host::HostReport| report.trouble.as_ref() == Some(&reason);
    reported(&manager, "the trouble with the disk", in_trouble).await;
    // The last good release goes on, and what needs no room is done.
    assert!(version(port).unwrap().contains(r#""release":"1""#));
    reaches(&manager, "other", 1, TaskState::Healthy).await;
    assert!(!host.holds(&second), "nothing was begun");

    std::fs::remove_file(filler).unwrap();
    reaches(&manager, "web", 2, TaskState::Healthy).await;
    reported(&manager, "the end of the trouble", |report| {
        report.trouble.is_none()
    })
    .await;
    agent.stop().await;
}
