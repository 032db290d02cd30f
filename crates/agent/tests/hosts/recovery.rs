//! What a host does when its agent, its manager or its task goes away.

use crate::artifacts::{beacon, pack};
use crate::host::{Host, lives, name, order, pid, reaches, reported, version};
use crate::manager::{FakeManager, Region};
use agent::Error;
use model::deployment::Directive::{Activate, Stage};
use model::{ReleaseNumber, TaskState};
use rustix::process::{Signal, kill_process, kill_process_group};

#[tokio::test]
async fn a_killed_agent_finds_its_task_again_even_when_it_is_cut_off() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let artifact = manager
        .seed(&pack(files.path(), beacon(), "adopted"), &region.key)
        .await;
    manager.order([order("web", 1, 1, artifact, Activate)]);
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    let port = reaches(&manager, "web", 1, TaskState::Healthy)
        .await
        .port
        .unwrap();
    let before = host.task("web").unwrap();
    agent.kill().await;
    drop(manager);
    assert!(
        version(port).unwrap().contains(r#""release":"1""#),
        "the service doesn't notice"
    );

    let agent = host.start(&region).await;
    // The only way to see an adopted task from outside: kill it, and see it started again.
    let killed = before.clone();
    kill_process(pid(&killed), Signal::KILL).unwrap();
    host.until("the last good release was started again", |ledger| {
        ledger.services[&name("web")]
            .task
            .as_ref()
            .is_some_and(|task| task.process != killed.process)
    })
    .await;
    let after = host.task("web").unwrap();
    assert_eq!(after.terms.release, ReleaseNumber(1));
    agent.stop().await;
    assert!(!lives(&after));
}

#[tokio::test]
async fn an_adopted_task_goes_on_as_the_same_process() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let artifact = manager
        .seed(&pack(files.path(), beacon(), "same"), &region.key)
        .await;
    manager.order([order("web", 1, 1, artifact, Activate)]);
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    let transfer = reaches(&manager, "web", 1, TaskState::Healthy).await.transfer;
    let before = host.task("web").unwrap();
    agent.kill().await;
    manager.order([order("web", 2, 1, artifact, Activate)]);
    let agent = host.start(&region).await;
    host.until("the newer order was taken", |ledger| {
        ledger.services[&name("web")].epoch.0 == 2
    })
    .await;
    let again = reaches(&manager, "web", 1, TaskState::Healthy).await;
    assert_eq!(host.task("web"), Some(before));
    assert_eq!(again.transfer, transfer, "how the bytes came is remembered");
    agent.stop().await;
}

#[tokio::test]
async fn a_half_done_transfer_is_resumed() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let packed = pack(files.path(), beacon(), "half");
    let artifact = manager.seed(&packed, &region.key).await;
    let host = Host::new(&region, &[&manager]);
    // What an agent leaves that is killed in mid-transfer: files of full length, some pieces in place.
    let content = host.config.folder.join("artifacts").join(artifact.to_string());
    std::fs::create_dir_all(content.join("bin")).unwrap();
    let mut half = beacon().to_vec();
    let middle = half.len() / 2;
    half[middle..].fill(0);
    std::fs::write(content.join("bin/run"), half).unwrap();
    manager.order([order("web", 1, 1, artifact, Activate)]);
    let agent = host.start(&region).await;
    let transfer = reaches(&manager, "web", 1, TaskState::Healthy).await.transfer;
    assert!(
        transfer.local_bytes > 0 && transfer.seed_bytes > 0,
        "{transfer:?}"
    );
    assert_eq!(transfer.local_bytes + transfer.seed_bytes, transfer.total_bytes);
    agent.stop().await;
}

#[tokio::test]
async fn neither_term_nor_epoch_goes_back_not_even_over_a_restart() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let old = manager
        .seed(&pack(files.path(), beacon(), "old"), &region.key)
        .await;
    let new = manager
        .seed(&pack(files.path(), beacon(), "new"), &region.key)
        .await;
    let host = Host::new(&region, &[&manager]);
    manager.lead(5);
    manager.order([order("web", 10, 2, new, Activate)]);
    let agent = host.start(&region).await;
    reaches(&manager, "web", 2, TaskState::Healthy).await;
    agent.kill().await;

    let agent = host.start(&region).await;
    // A manager that lags behind, together with one newer order that shows when this one was heard.
    manager.order([
        order("web", 9, 1, old, Activate),
        order("other", 1, 1, old, Activate),
    ]);
    reaches(&manager, "other", 1, TaskState::Healthy).await;
    assert_eq!(reaches(&manager, "web", 2, TaskState::Healthy).await.epoch.0, 10);
    // A manager that no longer leads orders everything away, and isn't heeded.
    manager.lead(4);
    manager.order([]);
    reaches(&manager, "web", 2, TaskState::Healthy).await;
    manager.lead(6);
    manager.order([order("web", 11, 3, old, Activate)]);
    reaches(&manager, "web", 3, TaskState::Healthy).await;
    agent.stop().await;
    assert_eq!(host.ledger().term, 6);
}

#[tokio::test]
async fn a_host_that_comes_back_after_a_week_gets_todays_release() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let mut artifacts = Vec::new();
    for note in ["last-week", "today"] {
        let packed = pack(files.path(), beacon(), note);
        artifacts.push(manager.seed(&packed, &region.key).await);
    }
    let host = Host::new(&region, &[&manager]);
    let last_week = order("web", 1, 1, artifacts[0], Activate);
    manager.order([last_week.clone(), order("gone", 1, 1, artifacts[0], Activate)]);
    let agent = host.start(&region).await;
    reaches(&manager, "gone", 1, TaskState::Healthy).await;
    reaches(&manager, "web", 1, TaskState::Healthy).await;
    // The machine was off.
    agent.kill().await;
    for service in ["web", "gone"] {
        kill_process_group(pid(&host.task(service).unwrap()), Signal::KILL).unwrap();
    }

    // Thirty releases and as many leaders came and went, and so did a service.
    manager.lead(30);
    manager.order([order("web", 60, 31, artifacts[1], Activate)]);
    let agent = host.start(&region).await;
    let healthy = reaches(&manager, "web", 31, TaskState::Healthy).await;
    assert_eq!(healthy.running_release, Some(ReleaseNumber(31)));
    assert!(
        version(healthy.port.unwrap())
            .unwrap()
            .contains(r#""release":"31""#)
    );
    host.until("the service that went is not run", |ledger| {
        ledger.services[&name("gone")].task.is_none()
    })
    .await;
    // Whoever still leads by last week's orders is not obeyed.
    manager.order([last_week]);
    reported(&manager, "two more reports", {
        let mut reports = 0;
        move |_| {
            reports += 1;
            reports > 2
        }
    })
    .await;
    let ledger = host.ledger();
    let web = ledger.services[&name("web")].task.as_ref().unwrap();
    assert!(lives(web) && web.terms.release == ReleaseNumber(31));
    agent.stop().await;
}

#[tokio::test]
async fn two_agents_never_share_a_folder() {
    let region = Region::new();
    let host = Host::new(&region, &[]);
    let first = host.start(&region).await;
    host.until("the first has begun", |_| {
        host.config.folder.join("artifacts").exists()
    })
    .await;
    let error = host.start(&region).await.ended().await;
    assert!(matches!(error, Error::Occupied { .. }), "{error}");
    first.stop().await;
}

#[tokio::test]
async fn bytes_that_were_written_and_never_recorded_are_found_again_and_not_fetched() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let artifact = manager
        .seed(&pack(files.path(), beacon(), "unrecorded"), &region.key)
        .await;
    manager.order([order("web", 1, 1, artifact, Stage)]);
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    reaches(&manager, "web", 1, TaskState::Staged).await;
    agent.kill().await;
    // As if it had died after the last piece and before the first word of it.
    std::fs::remove_file(host.config.folder.join("ledger.json")).unwrap();
    manager.order([order("web", 2, 1, artifact, Activate)]);
    let agent = host.start(&region).await;
    let transfer = reaches(&manager, "web", 1, TaskState::Healthy).await.transfer;
    assert_eq!(transfer.local_bytes, transfer.total_bytes, "{transfer:?}");
    assert_eq!(transfer.seed_bytes + transfer.wasted_bytes, 0);
    agent.stop().await;
}
