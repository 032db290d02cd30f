//! Two releases side by side on a real host, and agents that die at every step between them.

use crate::artifacts::{beacon, pack};
use crate::frontend::FakeFrontend;
use crate::host::{Host, instance, lives, name, order, pid, reaches, reported};
use crate::manager::{FakeManager, Region};
use agent::seat::{Role, TaskRecord};
use model::deployment::Directive::Activate;
use model::service::{CheckKind, Cutover, Overlap};
use model::{ArtifactId, DesiredService, ReleaseNumber, TaskState};
use rustix::process::{Signal, kill_process_group};
use std::net::TcpListener;
use std::sync::Arc;

/// A task that is healthy once there is a file `healthy-RELEASE` in its working folder.
const GATED: &[u8] = b"#!/bin/sh\nif [ \"$1\" = check ]; then test -e \"healthy-$STARLING_RELEASE\"; exit; fi\nexec sleep 1000\n";

fn gated(release: i64, artifact: ArtifactId) -> DesiredService {
    let mut order = order("web", release, release, artifact, Activate);
    order.spec.health.kind = CheckKind::Command;
    order.spec.health.command = vec!["bin/run".to_owned(), "check".to_owned()];
    order.spec.overlap = Overlap::Always;
    order.spec.cutover = Cutover {
        warm_seconds: 10,
        drain_seconds: 3_600,
        ..Cutover::default()
    };
    order
}

fn open_gate(host: &Host, release: i64) {
    let run = host.config.folder.join("services/web/run");
    std::fs::write(run.join(format!("healthy-{release}")), "").unwrap();
}

/// Changes the ledger to what it was between the start of a task and the word of it.
fn forget_the_start(host: &Host, place: &str) {
    let path = host.config.folder.join("ledger.json");
    let mut ledger: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let record = &mut ledger["services"]["web"];
    let started = record[place].take();
    let mut terms = if place == "beside" {
        started["task"].clone()
    } else {
        started
    };
    let process = terms["process"].take();
    terms.as_object_mut().unwrap().remove("process");
    let variables = std::fs::read(format!("/proc/{}/environ", process["pid"])).unwrap();
    let variables = String::from_utf8(variables).unwrap();
    let mut variables = variables.split('\0');
    let id = variables
        .find_map(|variable| variable.strip_prefix("STARLING_LAUNCH="))
        .unwrap();
    record["launching"] = serde_json::json!({ "id": id, "log": process["log"], "terms": terms });
    std::fs::write(path, ledger.to_string()).unwrap();
}

#[tokio::test]
async fn an_agent_killed_between_a_start_and_the_word_of_it_finds_the_process() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let artifact = manager
        .seed(&pack(files.path(), beacon(), "orphan"), &region.key)
        .await;
    manager.order([order("web", 1, 1, artifact, Activate)]);
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    reaches(&manager, "web", 1, TaskState::Healthy).await;
    agent.kill().await;
    let orphan = host.task("web").unwrap();
    forget_the_start(&host, "task");
    assert_eq!(host.task("web"), None);

    let agent = host.start(&region).await;
    host.until("the process is found", |ledger| {
        ledger.services[&name("web")].launching.is_none()
    })
    .await;
    assert_eq!(host.task("web"), Some(orphan.clone()));
    agent.kill().await;

    // Nor is one waited for that was never started, or that has ended since.
    forget_the_start(&host, "task");
    kill_process_group(pid(&orphan), Signal::KILL).unwrap();
    let agent = host.start(&region).await;
    host.until("another one is started", |ledger| {
        ledger.services[&name("web")]
            .task
            .as_ref()
            .is_some_and(|task| task.process != orphan.process)
    })
    .await;
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_killed_at_any_step_of_a_cut_over_goes_on_with_both_processes() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let blue = manager
        .seed(&pack(files.path(), GATED, "blue"), &region.key)
        .await;
    let green = manager
        .seed(&pack(files.path(), GATED, "green"), &region.key)
        .await;
    let mut host = Host::new(&region, &[&manager]);
    let frontend = Arc::new(FakeFrontend::default());
    host.frontend = frontend.clone();
    let pointed = || frontend.state().pointed.map(|target| target.release.0);

    let agent = host.start(&region).await;
    manager.order([gated(1, blue)]);
    host.until("blue runs", |ledger| {
        ledger
            .services
            .get(&name("web"))
            .is_some_and(|record| record.task.is_some())
    })
    .await;
    assert_eq!(pointed(), None, "not before it is healthy");
    open_gate(&host, 1);
    reaches(&manager, "web", 1, TaskState::Healthy).await;
    host.until("requests go to blue", |_| pointed() == Some(1)).await;
    let blue = host.task("web").unwrap();

    manager.order([gated(2, green)]);
    let rises = |role| {
        move |ledger: &agent::ledger::Ledger| {
            let beside = ledger.services[&name("web")].beside.as_ref();
            beside.is_some_and(|beside| beside.role == role)
        }
    };
    host.until("green rises", rises(Role::Rising)).await;
    let green = host.ledger().services[&name("web")].beside.clone().unwrap().task;
    let both = |step: &str| {
        let known: Vec<TaskRecord> = host.ledger().services[&name("web")].tasks().cloned().collect();
        assert!(lives(&blue) && lives(&green), "{step}");
        assert!(
            known.contains(&blue) && known.contains(&green),
            "{step}: {known:#?}"
        );
    };

    agent.kill().await;
    forget_the_start(&host, "beside");
    let agent = host.start(&region).await;
    host.until("green is found again", rises(Role::Rising)).await;
    both("just started");
    agent.kill().await;
    let agent = host.start(&region).await;
    let report = reported(&manager, "green starts while blue serves", |report| {
        instance(report, "web")
            .is_some_and(|web| web.desired_release.0 == 2 && web.state == TaskState::Starting)
    })
    .await;
    assert_eq!(
        instance(&report, "web").unwrap().running_release,
        Some(ReleaseNumber(1))
    );

    frontend.state().away = true;
    open_gate(&host, 2);
    host.until("the two have changed places", rises(Role::Retired))
        .await;
    agent.kill().await;
    assert_eq!(pointed(), Some(1));
    let agent = host.start(&region).await;
    reaches(&manager, "web", 2, TaskState::Healthy).await;
    both("not pointed");

    frontend.state().in_flight = 1;
    frontend.state().away = false;
    host.until("blue drains", |_| frontend.state().drains > 1).await;
    assert_eq!(pointed(), Some(2));
    agent.kill().await;
    let agent = host.start(&region).await;
    let before = frontend.state().drains;
    host.until("blue drains again", |_| frontend.state().drains > before)
        .await;
    both("draining");

    frontend.state().in_flight = 0;
    let before = frontend.state().drains;
    host.until("blue is drained", |_| frontend.state().drains > before)
        .await;
    agent.kill().await;
    both("warm");
    let agent = host.start(&region).await;
    host.until("blue is gone", |ledger| {
        ledger.services[&name("web")].beside.is_none()
    })
    .await;
    host.until("blue's process is gone", |_| !lives(&blue)).await;
    assert!(host.task("web") == Some(green.clone()) && lives(&green));
    manager.order([]);
    host.until("the frontend forgets it", |_| frontend.state().withdrawn)
        .await;
    agent.stop().await;
}

#[tokio::test]
async fn a_stranger_on_a_services_port_is_passed_over() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let artifact = manager
        .seed(&pack(files.path(), beacon(), "port"), &region.key)
        .await;
    manager.order([order("web", 1, 1, artifact, Activate)]);
    let host = Host::new(&region, &[&manager]);
    let first = *host.config.ports.start();
    let _stranger = TcpListener::bind(("127.0.0.1", first)).unwrap();
    let agent = host.start(&region).await;
    let healthy = reaches(&manager, "web", 1, TaskState::Healthy).await;
    assert_eq!(healthy.port, Some(first + 1));

    // One that comes while the service is stopped.
    agent.kill().await;
    let task = host.task("web").unwrap();
    kill_process_group(pid(&task), Signal::KILL).unwrap();
    let listen = || TcpListener::bind(("0.0.0.0", first + 1));
    host.until("the port is left", |_| listen().is_ok()).await;
    let _stranger = listen().unwrap();
    let agent = host.start(&region).await;
    host.until("it is started elsewhere", |ledger| {
        let task = ledger.services[&name("web")].task.as_ref();
        task.is_some_and(|task| task.terms.port == first + 2)
    })
    .await;
    reaches(&manager, "web", 1, TaskState::Healthy).await;
    manager.order([]);
    host.until("its ports are given up", |ledger| {
        ledger.ports.of(&name("web")).is_empty()
    })
    .await;
    agent.stop().await;
}
