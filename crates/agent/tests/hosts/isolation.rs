//! Services' tasks are kept apart from the agent and from each other, as far as the machine allows it.

use crate::artifacts::{beacon, pack};
use crate::host::{Host, name, order, reaches, version};
use crate::manager::{FakeManager, Region};
use agent::seat::TaskRecord;
use model::TaskState;
use model::deployment::Directive::Activate;
use model::service::{CheckKind, HealthCheck};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use tasks::task::isolation::Means;

/// Finds its own folder open, and the agent's ledger and every other service nowhere.
const NOSY: &str = r#"#!/bin/sh
agent=${STARLING_ARTIFACT_FOLDER%/artifacts/*}
cat $STARLING_RELEASE_FILE > /tmp/release && echo "release $(cat /tmp/release)"
for path in $agent/ledger.json $agent/services/web/*/*; do
  cat $path && echo "reads what is not its own"
done
touch mine && echo "asks to be checked"
if [ "$1" = --check ]; then exit; fi
exec sleep 1000
"#;

/// What the kernel says of a process's user (proc(5), the first number of `Uid`).
fn user(task: &TaskRecord) -> u32 {
    std::fs::metadata(format!("/proc/{}", task.process.pid()))
        .unwrap()
        .uid()
}

fn log(host: &Host, service: &str) -> String {
    let file = host.config.folder.join(format!("services/{service}/logs/1.log"));
    std::fs::read_to_string(file).unwrap()
}

#[tokio::test]
async fn each_service_is_a_user_of_its_own_and_stays_it_over_a_restart() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let web = manager
        .seed(&pack(files.path(), beacon(), "web"), &region.key)
        .await;
    let nosy = manager
        .seed(&pack(files.path(), NOSY.as_bytes(), "nosy"), &region.key)
        .await;
    let mut nosy = order("nosy", 1, 1, nosy, Activate);
    nosy.spec.health = HealthCheck {
        kind: CheckKind::Command,
        command: vec!["bin/run".to_owned(), "--check".to_owned()],
        ..nosy.spec.health
    };
    let mut orders = vec![order("web", 1, 1, web, Activate), nosy];
    manager.order(orders.clone());
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    for service in ["web", "nosy"] {
        reaches(&manager, service, 1, TaskState::Healthy).await;
    }
    let before = ["web", "nosy"].map(|service| host.task(service).unwrap());
    let users = before.each_ref().map(user);
    let allowed = host.config.task_users.clone().unwrap();
    let means = Means::look(*allowed.start()).await;
    match &means.users {
        Ok(()) => assert!(
            users[0] != users[1] && users.iter().all(|user| allowed.contains(user)),
            "{users:?}"
        ),
        Err(missing) => {
            eprintln!("skipped in part: {missing}");
            assert_eq!(users, [rustix::process::geteuid().as_raw(); 2]);
        }
    }
    let said = log(&host, "nosy");
    assert!(
        said.contains("release 1\n") && said.contains("asks to be checked"),
        "{said}"
    );
    assert!(
        !said.contains("reads what is not its own") && !said.contains("\"term\""),
        "{said}"
    );
    if means.users.is_ok() {
        assert!(said.contains(&format!(", as user {}, with", users[1])), "{said}");
    }
    agent.kill().await;

    // The next agent has the same processes, and the next release the same user.
    for order in &mut orders {
        order.epoch.0 = 2;
    }
    orders[0].release.0 = 2;
    orders[0].spec.environment.clear();
    manager.order(orders);
    let agent = host.start(&region).await;
    let port = reaches(&manager, "web", 2, TaskState::Healthy)
        .await
        .port
        .unwrap();
    assert!(version(port).unwrap().contains(r#""release":"2""#));
    host.until("the second order was taken", |ledger| {
        ledger.services[&name("nosy")].epoch.0 == 2
    })
    .await;
    reaches(&manager, "nosy", 1, TaskState::Healthy).await;
    assert_eq!(host.task("nosy").as_ref(), Some(&before[1]));
    let after = host.task("web").unwrap();
    assert!(after.process != before[0].process);
    assert_eq!(user(&after), users[0]);
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_that_is_told_so_keeps_nothing_apart_and_says_so() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let web = manager
        .seed(&pack(files.path(), beacon(), "together"), &region.key)
        .await;
    manager.order([order("web", 1, 1, web, Activate)]);
    let mut host = Host::new(&region, &[&manager]);
    host.config.task_users = None;
    let agent = host.start(&region).await;
    reaches(&manager, "web", 1, TaskState::Healthy).await;
    let task = host.task("web").unwrap();
    assert_eq!(user(&task), rustix::process::geteuid().as_raw());
    let mounts = |of: &str| std::fs::read_link(Path::new("/proc").join(of).join("ns/mnt")).unwrap();
    assert_eq!(mounts(&task.process.pid().to_string()), mounts("self"));
    let said = log(&host, "web");
    assert!(
        said.contains("as the agent's own user, without a /tmp of its own"),
        "{said}"
    );
    agent.stop().await;
}
