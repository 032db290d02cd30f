//! What a host does with orders, from the first to the last.

use crate::artifacts::{beacon, pack};
use crate::host::{Host, instance, lives, name, order, reaches, reported, version};
use crate::manager::{FakeManager, Region};
use agent::TasksOnExit;
use model::deployment::Directive::{Activate, Stage};
use model::{ReleaseNumber, TaskState};
use std::time::Duration;

#[tokio::test]
async fn a_release_is_staged_then_run_then_replaced_by_the_next() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let first = manager
        .seed(&pack(files.path(), beacon(), "first"), &region.key)
        .await;
    let second = manager
        .seed(&pack(files.path(), beacon(), "second"), &region.key)
        .await;
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;

    manager.order([order("web", 1, 1, first, Stage)]);
    let staged = reaches(&manager, "web", 1, TaskState::Staged).await;
    assert_eq!((staged.running_release, staged.port), (None, None));
    assert_eq!(staged.transfer.verified_bytes(), staged.transfer.total_bytes);
    assert_eq!(staged.transfer.seed_bytes, staged.transfer.total_bytes);
    let report = reported(&manager, "the artifact is whole", |report| {
        report.complete == [first]
    })
    .await;
    assert!(!report.addresses.is_empty());

    manager.order([order("web", 2, 1, first, Activate)]);
    let port = reaches(&manager, "web", 1, TaskState::Healthy)
        .await
        .port
        .unwrap();
    let told = version(port).unwrap();
    for part in [
        r#""service":"web""#,
        r#""release":"1""#,
        r#""host":"host-1""#,
        r#""region":"us-east-1""#,
        r#""greeting":"hello""#,
        &format!(r#""artifact":"{first}""#),
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }

    manager.order([order("web", 3, 2, second, Stage)]);
    let staged = reaches(&manager, "web", 2, TaskState::Staged).await;
    assert_eq!(
        (staged.running_release, staged.port),
        (Some(ReleaseNumber(1)), Some(port))
    );
    let old = host.task("web").unwrap();
    manager.order([order("web", 4, 2, second, Activate)]);
    let healthy = reaches(&manager, "web", 2, TaskState::Healthy).await;
    assert_eq!(healthy.running_release, Some(ReleaseNumber(2)));
    assert!(
        !lives(&old)
            && version(healthy.port.unwrap())
                .unwrap()
                .contains(r#""release":"2""#)
    );
    assert!(host.holds(&first), "the release before stays for a rollback");
    agent.stop().await;
}

#[tokio::test]
async fn what_is_no_longer_ordered_is_stopped_and_its_bytes_are_deleted() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let artifact = manager
        .seed(&pack(files.path(), beacon(), "only"), &region.key)
        .await;
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    manager.order([order("web", 7, 1, artifact, Activate)]);
    reaches(&manager, "web", 1, TaskState::Healthy).await;
    let task = host.task("web").unwrap();
    manager.order([]);
    reported(&manager, "the service is gone", |report| {
        report.instances.is_empty() && report.complete.is_empty()
    })
    .await;
    host.until("its process is gone", |ledger| {
        ledger.services[&name("web")].task.is_none()
    })
    .await;
    assert!(!lives(&task));
    host.until("its bytes are gone", |_| !host.holds(&artifact)).await;
    agent.stop().await;
    assert_eq!(
        host.ledger().services[&name("web")].epoch.0,
        7,
        "its epoch is remembered"
    );
}

#[tokio::test]
async fn old_releases_but_the_last_are_deleted() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    let mut artifacts = Vec::new();
    for release in 1..=3 {
        let artifact = manager
            .seed(&pack(files.path(), beacon(), &format!("r{release}")), &region.key)
            .await;
        manager.order([order("web", release, release, artifact, Activate)]);
        reaches(&manager, "web", release, TaskState::Healthy).await;
        artifacts.push(artifact);
    }
    host.until("the first is deleted", |_| !host.holds(&artifacts[0]))
        .await;
    assert!(host.holds(&artifacts[1]) && host.holds(&artifacts[2]));
    agent.stop().await;
}

#[tokio::test]
async fn a_clean_stop_ends_tasks_or_keeps_them_as_configured() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let artifact = manager
        .seed(&pack(files.path(), beacon(), "kept"), &region.key)
        .await;
    manager.order([order("web", 1, 1, artifact, Activate)]);
    let mut host = Host::new(&region, &[&manager]);

    host.config.tasks_on_exit = TasksOnExit::Keep;
    let agent = host.start(&region).await;
    reaches(&manager, "web", 1, TaskState::Healthy).await;
    agent.stop().await;
    let kept = host.task("web").unwrap();
    assert!(lives(&kept));

    host.config.tasks_on_exit = TasksOnExit::Stop;
    let agent = host.start(&region).await;
    reported(&manager, "the agent is back", |report| {
        instance(report, "web").is_some()
    })
    .await;
    agent.stop().await;
    assert!(!lives(&kept) && host.task("web").is_none());
}

#[tokio::test]
async fn a_manager_that_stands_by_is_passed_over_and_a_hint_is_heard() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let (idle, leader) = (
        FakeManager::start(&region, "manager-1").await,
        FakeManager::start(&region, "manager-2").await,
    );
    idle.stand_by();
    let artifact = leader
        .seed(&pack(files.path(), beacon(), "hinted"), &region.key)
        .await;
    let mut host = Host::new(&region, &[&idle, &leader]);
    // Without a hint or news of its own, this host would not ask again while the test lasts.
    host.config.poll_period = Duration::from_secs(3600);
    let agent = host.start(&region).await;
    reported(&leader, "a first report", |report| report.instances.is_empty()).await;
    leader.order([order("web", 1, 1, artifact, Stage)]);
    let peers: Vec<_> = leader
        .swarm
        .status()
        .await
        .unwrap()
        .peers
        .iter()
        .map(|peer| peer.peer)
        .collect();
    leader.swarm.hint(&peers).await.unwrap();
    reaches(&leader, "web", 1, TaskState::Staged).await;
    agent.stop().await;
}
