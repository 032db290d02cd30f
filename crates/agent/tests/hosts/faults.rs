//! What is wrong with one service is that service's ERROR, and no other's.

use crate::artifacts::{beacon, key, pack};
use crate::host::{Host, order, reaches, version};
use crate::manager::{FakeManager, Region};
use model::deployment::Directive::{Activate, Stage};
use model::{ArtifactId, TaskState};

#[tokio::test]
async fn a_manifest_that_cannot_be_believed_is_an_error_of_its_service_only() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let good_packed = pack(files.path(), beacon(), "good");
    let good = manager.seed(&good_packed, &region.key).await;
    let strangers = manager
        .seed(&pack(files.path(), b"#!/bin/sh\n", "stranger"), &key(2))
        .await;
    let (other, garbage, missing) = (ArtifactId([1; 32]), ArtifactId([2; 32]), ArtifactId([3; 32]));
    manager.hand_out(
        other,
        region
            .key
            .sign(&good_packed.manifest, artifact::BuildRun::default())
            .unwrap()
            .encode(),
    );
    manager.hand_out(garbage, b"garbage".to_vec());
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    manager.order([
        order("good", 1, 1, good, Activate),
        order("strangers", 1, 1, strangers, Activate),
        order("other", 1, 1, other, Activate),
        order("garbage", 1, 1, garbage, Activate),
        order("missing", 1, 1, missing, Activate),
    ]);
    for (service, words) in [
        ("strangers", "which is not trusted here"),
        ("other", "the manager sent the manifest of artifact"),
        ("garbage", "no signed manifest"),
        ("missing", "no such artifact"),
    ] {
        let instance = reaches(&manager, service, 1, TaskState::Error).await;
        let reason = instance.reason.unwrap();
        assert!(reason.contains(words), "{service}: {reason}");
        assert_eq!(instance.running_release, None);
    }
    assert!(!host.holds(&strangers), "not a byte was fetched");
    reaches(&manager, "good", 1, TaskState::Healthy).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_disk_that_does_not_take_an_artifact_is_an_error_of_its_service_only() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let good = manager
        .seed(&pack(files.path(), beacon(), "good"), &region.key)
        .await;
    let stuck = manager
        .seed(&pack(files.path(), beacon(), "stuck"), &region.key)
        .await;
    let host = Host::new(&region, &[&manager]);
    let artifacts = host.config.folder.join("artifacts");
    std::fs::create_dir_all(&artifacts).unwrap();
    let obstacle = artifacts.join(stuck.to_string());
    std::fs::write(&obstacle, "in the way").unwrap();
    let agent = host.start(&region).await;
    manager.order([
        order("good", 1, 1, good, Activate),
        order("stuck", 1, 1, stuck, Activate),
    ]);
    let reason = reaches(&manager, "stuck", 1, TaskState::Error)
        .await
        .reason
        .unwrap();
    assert!(
        reason.contains("failed to use the disk") && reason.contains("Not a directory"),
        "{reason}"
    );
    reaches(&manager, "good", 1, TaskState::Healthy).await;
    std::fs::remove_file(obstacle).unwrap();
    reaches(&manager, "stuck", 1, TaskState::Healthy).await;
    agent.stop().await;
}

#[tokio::test]
async fn an_order_whose_program_is_not_in_the_artifact_is_an_error_before_anything_switches() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let artifact = manager
        .seed(&pack(files.path(), beacon(), "program"), &region.key)
        .await;
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    manager.order([order("web", 1, 1, artifact, Activate)]);
    let port = reaches(&manager, "web", 1, TaskState::Healthy)
        .await
        .port
        .unwrap();
    for (release, program) in [(2, "bin/walk"), (3, "note"), (4, "../../../bin/sh")] {
        let mut wrong = order("web", release, release, artifact, Activate);
        wrong.spec.command = vec![program.to_owned()];
        manager.order([wrong]);
        let reason = reaches(&manager, "web", release, TaskState::Error)
            .await
            .reason
            .unwrap();
        assert!(reason.contains(program), "{reason}");
        assert!(
            version(port).unwrap().contains(r#""release":"1""#),
            "the last good release goes on"
        );
    }
    agent.stop().await;
}

#[tokio::test]
async fn a_program_that_crashes_is_reported_and_started_again() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    // Crashes until the run folder, which outlives a process, holds two marks; then it serves.
    let script = b"#!/bin/sh\n[ -e two ] && exec \"$BEACON\"\n[ -e one ] && : > two\n: > one\nexit 3\n";
    let program = files.path().join("beacon");
    std::fs::write(&program, beacon()).unwrap();
    let mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    let artifact = manager
        .seed(&pack(files.path(), script, "crash"), &region.key)
        .await;
    let mut crashing = order("web", 1, 1, artifact, Activate);
    crashing
        .spec
        .environment
        .insert("BEACON".to_owned(), program.display().to_string());
    let mut host = Host::new(&region, &[&manager]);
    host.config.restart_delay_min = std::time::Duration::from_secs(1);
    // The beacon lies outside of the artifact, where a task that is kept apart would not see it.
    host.config.task_users = None;
    let agent = host.start(&region).await;
    manager.order([crashing]);
    let reason = reaches(&manager, "web", 1, TaskState::Error)
        .await
        .reason
        .unwrap();
    assert!(reason.contains("exit code 3"), "{reason}");
    let healthy = reaches(&manager, "web", 1, TaskState::Healthy).await;
    assert_eq!(healthy.reason, None);
    agent.stop().await;
}

#[tokio::test]
async fn bytes_that_were_changed_on_the_disk_are_mended_before_they_run() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let artifact = manager
        .seed(&pack(files.path(), beacon(), "mended"), &region.key)
        .await;
    let host = Host::new(&region, &[&manager]);
    manager.order([order("web", 1, 1, artifact, Stage)]);
    let agent = host.start(&region).await;
    reaches(&manager, "web", 1, TaskState::Staged).await;
    agent.kill().await;
    let program = host
        .config
        .folder
        .join("artifacts")
        .join(artifact.to_string())
        .join("bin/run");
    let mut bytes = std::fs::read(&program).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&program, bytes).unwrap();
    manager.order([order("web", 2, 1, artifact, Activate)]);
    let agent = host.start(&region).await;
    reaches(&manager, "web", 1, TaskState::Healthy).await;
    assert_eq!(std::fs::read(&program).unwrap(), beacon());
    agent.stop().await;
}
