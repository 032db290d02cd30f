//! Green ahead of its turn on a real host: it runs, is healthy, and gets no request; and the way back.

use crate::artifacts::pack;
use crate::cutovers::{GATED, gated, open_gate};
use crate::frontend::FakeFrontend;
use crate::host::{Agent, Host, instance, lives, name, reaches, reported};
use crate::manager::{FakeManager, Region};
use agent::seat::{Role, TaskRecord};
use model::deployment::Directive;
use model::{ArtifactId, DesiredService, ReleaseNumber, TaskState};
use std::sync::Arc;

/// A host on which blue, release 1, serves, and green, release 2, was just started ahead of its turn.
struct Warming {
    region: Region,
    manager: FakeManager,
    host: Host,
    frontend: Arc<FakeFrontend>,
    /// Both releases' bytes.
    artifacts: [ArtifactId; 2],
    blue: TaskRecord,
    green: TaskRecord,
    _files: tempfile::TempDir,
}

impl Warming {
    async fn begin() -> (Self, Agent) {
        let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
        let manager = FakeManager::start(&region, "manager-1").await;
        let (blue, green) = (
            pack(files.path(), GATED, "blue"),
            pack(files.path(), GATED, "green"),
        );
        let artifacts = [
            manager.seed(&blue, &region.key).await,
            manager.seed(&green, &region.key).await,
        ];
        let mut host = Host::new(&region, &[&manager]);
        let frontend = Arc::new(FakeFrontend::default());
        host.frontend = frontend.clone();
        let agent = host.start(&region).await;
        manager.order([gated(1, artifacts[0])]);
        host.until("blue runs", |ledger| {
            let record = ledger.services.get(&name("web"));
            record.is_some_and(|record| record.task.is_some())
        })
        .await;
        open_gate(&host, 1);
        reaches(&manager, "web", 1, TaskState::Healthy).await;
        let ahead = DesiredService {
            directive: Directive::Warm,
            ..gated(2, artifacts[1])
        };
        manager.order([ahead]);
        host.until("green runs", |ledger| {
            let beside = ledger.services[&name("web")].beside.as_ref();
            beside.is_some_and(|beside| beside.role == Role::Warm)
        })
        .await;
        let record = host.ledger().services[&name("web")].clone();
        let warming = Self {
            region,
            manager,
            host,
            frontend,
            artifacts,
            blue: record.task.unwrap(),
            green: record.beside.unwrap().task,
            _files: files,
        };
        (warming, agent)
    }

    /// Waits until requests go to a release.
    async fn until_pointed(&self, release: i64) {
        let pointed = || self.frontend.state().pointed.map(|target| target.release.0);
        self.host
            .until("requests go elsewhere", |_| pointed() == Some(release))
            .await;
    }
}

#[tokio::test]
async fn green_is_ready_without_a_request_until_its_turn_and_blue_takes_the_place_back_without_a_start() {
    let (warming, agent) = Warming::begin().await;
    let (manager, host) = (&warming.manager, &warming.host);
    let one = Some(ReleaseNumber(1));
    reported(manager, "it starts ahead of its turn", |report| {
        instance(report, "web").is_some_and(|web| {
            let starts = web.state == TaskState::Starting && web.warm_release == Some(ReleaseNumber(2));
            starts && web.running_release == one
        })
    })
    .await;
    open_gate(host, 2);
    let said = reaches(manager, "web", 2, TaskState::Warm).await;
    assert_eq!((said.running_release, said.active_release), (one, one));

    // Another agent finds both, and sends no request to the wrong one either.
    agent.kill().await;
    warming.frontend.state().pointed = None;
    let agent = host.start(&warming.region).await;
    reaches(manager, "web", 2, TaskState::Warm).await;
    warming.until_pointed(1).await;
    assert!(lives(&warming.blue) && lives(&warming.green));
    let served: Vec<_> = warming.frontend.state().releases.iter().copied().collect();
    assert_eq!(served, [ReleaseNumber(1)], "green was never among them");

    manager.order([gated(2, warming.artifacts[1])]);
    warming.until_pointed(2).await;
    assert_eq!(host.task("web").as_ref(), Some(&warming.green), "it was warm");
    reaches(manager, "web", 2, TaskState::Healthy).await;

    // A rollback is a release of its own.
    manager.order([gated(3, warming.artifacts[0])]);
    warming.until_pointed(3).await;
    let back = host.task("web").unwrap();
    assert_eq!(back.process, warming.blue.process, "it stayed warm");
    assert!(lives(&warming.blue));
    agent.stop().await;
}
