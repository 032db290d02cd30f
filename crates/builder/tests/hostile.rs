//! Builds that take too much or say too much, by a real worker.

#![allow(clippy::unwrap_used)]

mod common;

use builder::{Secret, SecretSource};
use common::{Fixture, gone, project, repository, unlikely_seconds};
use model::{BuildState, ByteSize};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_breaks_a_limit_is_failed_with_the_limit_in_words() {
    let fixture = Fixture::new().await;
    let mut config = fixture.config("worker");
    config.limits_max.memory = ByteSize::mebibytes(256);
    let _worker = fixture.start(config);
    let seconds = unlikely_seconds();
    let cases = [
        (
            "x=0123456789abcdef; while [ ${#x} -lt 400000000 ]; do x=$x$x; done; sleep 60".to_owned(),
            "memory = \"1 TiB\"",
            "the command used more than 256 MiB of memory, its limit, and was killed",
        ),
        (
            format!("while :; do sleep {seconds} & done"),
            "processes = 40",
            "the command ran more than 40 processes at once, its limit, and was killed",
        ),
        (
            "while :; do head -c 1000000 /dev/zero >> file; done".to_owned(),
            "disk = \"8MiB\"",
            "the command used more than 8 MiB of disk space, its limit, and was killed",
        ),
    ];
    for (script, limit, expected) in cases {
        let text = format!("{}[targets.\"//:it\".limits]\n{limit}\n", project(&script));
        let build = fixture.enqueue(&fixture.commit(&text), "//:it").await;
        assert_eq!(fixture.failed(build).await, expected);
        let says_so = fixture
            .log(build)
            .await
            .contains("asks for more than this worker's most");
        assert_eq!(says_so, limit.contains("TiB"), "{limit}");
    }
    gone(&seconds).await;
    fixture.until_cleared("worker").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_reaches_the_builds_that_name_it_and_no_log() {
    let fixture = Fixture::new().await;
    let token = "correct-horse-battery-staple";
    std::fs::write(fixture.path("token"), format!("{token}\n")).unwrap();
    let secret = |repository: &str| Secret {
        source: SecretSource::File(fixture.path("token")),
        repositories: BTreeSet::from([repository.parse().unwrap()]),
    };
    let mut config = fixture.config("worker");
    config.secrets = BTreeMap::from([
        ("TOKEN".parse().unwrap(), secret(repository().as_str())),
        ("FOREIGN".parse().unwrap(), secret("another")),
    ]);
    let _worker = fixture.start(config);

    // Printed whole, and in two halves with a pause between them, which come as two chunks.
    let script = "echo whole $TOKEN; printf 'halves correct-horse'; sleep 1; echo -battery-staple; \
                  printf %s \"$TOKEN\" | wc -c > out; cat out";
    let with_secret = format!("{}secrets = [\"TOKEN\"]\n", project(script));
    let build = fixture.enqueue(&fixture.commit(&with_secret), "//:it").await;
    let row = fixture.ended(build).await;
    assert_eq!(row.state, BuildState::Succeeded, "{row:#?}");
    let log = fixture.log(build).await;
    assert!(log.contains("\nwhole ***\nhalves ***\n28\n"), "{log}");
    assert!(!log.contains(token), "{log}");

    let without = fixture
        .enqueue(
            &fixture.commit(&project("env > out; ! grep -q TOKEN out")),
            "//:it",
        )
        .await;
    assert_eq!(fixture.ended(without).await.state, BuildState::Succeeded);

    for name in ["FOREIGN", "UNKNOWN"] {
        let asks = format!("{}secrets = [\"{name}\"]\n", project("touch out"));
        let build = fixture.enqueue(&fixture.commit(&asks), "//:it").await;
        let reason = fixture.failed(build).await;
        let expected = format!("this worker has no secret {name} for repository project");
        assert!(reason.contains(&expected), "{reason}");
    }
}

/// A small file system over a worker's folder, gone when it is dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: std::path::PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&at)
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_the_machines_fault_and_the_build_is_tried_again() {
    let fixture = Fixture::new().await;
    let Some(_disk) = SmallDisk::mount(fixture.path("worker"), "32m") else {
        eprintln!("skipped: a small file system can only be mounted by an administrator");
        return;
    };
    let mut config = fixture.config("worker");
    config.sandbox.disk_reserve = ByteSize::mebibytes(16);
    let _worker = fixture.start(config);
    let commit = fixture.commit(&project("head -c 24000000 /dev/zero > big || exit 1; sleep 60"));
    let build = fixture.enqueue(&commit, "//:it").await;
    fixture
        .until_log_holds(build, "the worker failed to run the command: the disk has")
        .await;
    let row = fixture
        .until(build, |row| row.attempt.0 > 1 || row.state == BuildState::Queued)
        .await;
    assert!(!row.state.is_terminal(), "{row:#?}");
    let actor = "engineer@example.org".parse().unwrap();
    fixture.jobs.cancel(build, &actor).await.unwrap();
}
