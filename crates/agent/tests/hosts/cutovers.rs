//! Two releases side by side on a real host, and agents that die at every step between them.

use crate::artifacts::{beacon, pack};
use crate::frontend::FakeFrontend;
use crate::host::{Agent, Host, instance, lives, name, order, pid, reaches, reported};
use crate::manager::{FakeManager, Region};
use agent::ledger::Ledger;
use agent::seat::{Role, TaskRecord};
use model::deployment::Directive::Activate;
use model::service::{CheckKind, Cutover, Overlap};
use model::{ArtifactId, DesiredService, ReleaseNumber, TaskState};
use rustix::process::{Signal, kill_process_group};
use std::net::TcpListener;
use std::sync::Arc;

/// A task that is healthy once there is a file `healthy-RELEASE` in its working folder.
pub const GATED: &[u8] = b"#!/bin/sh\nif [ \"$1\" = check ]; then test -e \"healthy-$STARLING_RELEASE\"; exit; fi\nexec sleep 1000\n";

pub fn gated(release: i64, artifact: ArtifactId) -> DesiredService {
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

pub fn open_gate(host: &Host, release: i64) {
    let run = host.config.folder.join("services/web/run");
    std::fs::write(run.join(format!("healthy-{release}")), "").unwrap();
}

/// What a process is marked with. One program takes another's place in it as it starts, and for that moment it has no
/// variables to be read.
fn mark(process: &serde_json::Value) -> String {
    let variables = format!("/proc/{process}/environ");
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_secs(10) {
        let variables = String::from_utf8(std::fs::read(&variables).unwrap()).unwrap();
        let mut variables = variables.split('\0');
        let id = variables.find_map(|variable| variable.strip_prefix("STARLING_LAUNCH="));
        if let Some(id) = id {
            return id.to_owned();
        }
        std::thread::yield_now();
    }
    panic!("process {process} has no mark");
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
    let id = mark(&process["pid"]);
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

/// A host on which green, release 2, was just started beside blue, release 1, to which requests go.
struct CutOver {
    region: Region,
    manager: FakeManager,
    host: Host,
    frontend: Arc<FakeFrontend>,
    blue: TaskRecord,
    green: TaskRecord,
    _files: tempfile::TempDir,
}

impl CutOver {
    async fn begin() -> (Self, Agent) {
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
        let agent = host.start(&region).await;
        manager.order([gated(1, blue)]);
        host.until("blue runs", |ledger| {
            let record = ledger.services.get(&name("web"));
            record.is_some_and(|record| record.task.is_some())
        })
        .await;
        assert_eq!(frontend.state().pointed, None, "not before it is healthy");
        open_gate(&host, 1);
        reaches(&manager, "web", 1, TaskState::Healthy).await;
        host.until("requests go to blue", |_| frontend.state().pointed.is_some())
            .await;
        let blue = host.task("web").unwrap();
        manager.order([gated(2, green)]);
        host.until("green rises", |ledger| beside(ledger) == Some(Role::Rising))
            .await;
        let record = host.ledger().services[&name("web")].clone();
        let cut_over = Self {
            region,
            manager,
            host,
            frontend,
            blue,
            green: record.beside.unwrap().task,
            _files: files,
        };
        (cut_over, agent)
    }

    /// Waits until the process that does not serve has this role.
    async fn until(&self, what: &str, role: Role) {
        self.host.until(what, |ledger| beside(ledger) == Some(role)).await;
    }

    /// Waits until the frontend was asked about what drains once more.
    async fn until_drained_again(&self) {
        let before = self.frontend.state().drains;
        self.host
            .until("blue drains", |_| self.frontend.state().drains > before)
            .await;
    }

    fn pointed(&self) -> Option<i64> {
        self.frontend.state().pointed.map(|target| target.release.0)
    }

    /// The agent is killed, both processes live on and are written down, and another agent begins.
    async fn kill(&self, agent: Agent, step: &str) -> Agent {
        agent.kill().await;
        let record = self.host.ledger().services[&name("web")].clone();
        let known: Vec<&TaskRecord> = record.tasks().collect();
        assert!(lives(&self.blue) && lives(&self.green), "{step}");
        assert!(
            known.contains(&&self.blue) && known.contains(&&self.green),
            "{step}: {known:#?}"
        );
        self.host.start(&self.region).await
    }
}

/// What the process that does not serve is there for.
fn beside(ledger: &Ledger) -> Option<Role> {
    let beside = ledger.services[&name("web")].beside.as_ref()?;
    Some(beside.role)
}

#[tokio::test]
async fn an_agent_killed_at_any_step_of_a_cut_over_goes_on_with_both_processes() {
    let (cut_over, agent) = CutOver::begin().await;
    let (host, manager, frontend) = (&cut_over.host, &cut_over.manager, &cut_over.frontend);

    agent.kill().await;
    forget_the_start(host, "beside");
    let agent = host.start(&cut_over.region).await;
    cut_over.until("green is found again", Role::Rising).await;
    let agent = cut_over.kill(agent, "just started").await;
    let report = reported(manager, "green starts while blue serves", |report| {
        instance(report, "web")
            .is_some_and(|web| web.desired_release.0 == 2 && web.state == TaskState::Starting)
    })
    .await;
    assert_eq!(
        instance(&report, "web").unwrap().running_release,
        Some(ReleaseNumber(1))
    );

    frontend.state().away = true;
    open_gate(host, 2);
    cut_over.until("the two have changed places", Role::Retired).await;
    let agent = cut_over.kill(agent, "not pointed").await;
    assert_eq!(cut_over.pointed(), Some(1));
    reaches(manager, "web", 2, TaskState::Healthy).await;

    frontend.state().in_flight = 1;
    frontend.state().away = false;
    cut_over.until_drained_again().await;
    assert_eq!(cut_over.pointed(), Some(2));
    let agent = cut_over.kill(agent, "draining").await;
    cut_over.until_drained_again().await;

    frontend.state().in_flight = 0;
    cut_over.until_drained_again().await;
    let agent = cut_over.kill(agent, "warm").await;
    host.until("blue is gone", |ledger| {
        beside(ledger).is_none() && !lives(&cut_over.blue)
    })
    .await;
    assert!(host.task("web").as_ref() == Some(&cut_over.green) && lives(&cut_over.green));
    manager.order([]);
    host.until("the frontend forgets it", |_| frontend.state().withdrawn)
        .await;
    agent.stop().await;
}

#[tokio::test]
async fn requests_wait_while_a_task_that_may_not_overlap_is_exchanged_for_the_next() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let mut artifacts = Vec::new();
    for note in ["first", "second"] {
        let packed = pack(files.path(), beacon(), note);
        artifacts.push(manager.seed(&packed, &region.key).await);
    }
    let alone = |release: i64, artifact| {
        let mut order = order("web", release, release, artifact, Activate);
        order.spec.overlap = Overlap::Never;
        order
    };
    let mut host = Host::new(&region, &[&manager]);
    let frontend = Arc::new(FakeFrontend::default());
    host.frontend = frontend.clone();
    let agent = host.start(&region).await;
    manager.order([alone(1, artifacts[0])]);
    reaches(&manager, "web", 1, TaskState::Healthy).await;
    host.until("requests go to the first", |_| frontend.state().pointed.is_some())
        .await;
    let first = host.task("web").unwrap();
    frontend.state().in_flight = 1;
    manager.order([alone(2, artifacts[1])]);
    host.until("requests are held", |_| frontend.state().leaves.is_some())
        .await;
    let leaves = frontend.state().leaves.unwrap();
    assert_eq!(
        (leaves.port, leaves.release),
        (first.terms.port, ReleaseNumber(1))
    );
    // An agent that comes later goes on with it.
    frontend.state().leaves = None;
    agent.kill().await;
    assert!(lives(&first), "it ends what it began");
    let agent = host.start(&region).await;
    host.until("requests are held again", |_| frontend.state().leaves.is_some())
        .await;
    assert!(lives(&first));
    frontend.state().in_flight = 0;
    reaches(&manager, "web", 2, TaskState::Healthy).await;
    host.until("requests go to the second", |_| {
        let state = frontend.state();
        state.leaves.is_none()
            && state
                .pointed
                .is_some_and(|target| target.release == ReleaseNumber(2))
    })
    .await;
    assert!(!lives(&first));
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
