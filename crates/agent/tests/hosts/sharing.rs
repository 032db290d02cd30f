//! A share of the requests for green on a real host, before it gets all of them or none.

use crate::artifacts::pack;
use crate::cutovers::{GATED, gated, open_gate};
use crate::frontend::FakeFrontend;
use crate::host::{Host, instance, name, reaches, reported};
use crate::manager::{FakeManager, Region};
use agent::frontend::Answers;
use model::service::Split;
use model::{ArtifactId, DesiredService, TaskState};
use std::sync::Arc;

/// A release that gets a share for as long as nobody waits for it to be over.
fn shared(release: i64, artifact: ArtifactId, seconds: u32) -> DesiredService {
    let mut order = gated(release, artifact);
    order.spec.stable_port = Some(8_080);
    order.spec.cutover.split = Some(Split {
        percent: 10,
        seconds,
        errors_percent_max: 5,
        sticky: None,
    });
    order
}

#[tokio::test]
async fn green_that_answers_its_share_badly_gives_it_back_and_one_that_does_well_gets_everything() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let mut artifacts = Vec::new();
    for note in ["blue", "bad", "good"] {
        let packed = pack(files.path(), GATED, note);
        artifacts.push(manager.seed(&packed, &region.key).await);
    }
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
    for release in 1..=3 {
        open_gate(&host, release);
    }
    reaches(&manager, "web", 1, TaskState::Healthy).await;

    manager.order([shared(2, artifacts[1], 3_600)]);
    let shares = || frontend.state().shares.map(|target| target.release.0);
    host.until("the bad one gets a share", |_| shares() == Some(2))
        .await;
    let mixed = reaches(&manager, "web", 2, TaskState::Running).await;
    assert_eq!(mixed.running_release.map(|release| release.0), Some(1));
    frontend.state().answers = Answers { ended: 40, errors: 4 };
    let report = reported(&manager, "it has given its share back", |report| {
        instance(report, "web").is_some_and(|web| web.state == TaskState::Error)
    })
    .await;
    let reason = instance(&report, "web").unwrap().reason.clone().unwrap();
    assert!(reason.contains("failed 4 of the 40 requests"), "{reason}");
    let pointed = || frontend.state().pointed.map(|target| target.release.0);
    host.until("requests go to blue alone", |_| {
        shares().is_none() && pointed() == Some(1)
    })
    .await;

    frontend.state().answers = Answers { ended: 40, errors: 1 };
    manager.order([shared(3, artifacts[2], 1)]);
    reaches(&manager, "web", 3, TaskState::Healthy).await;
    host.until("requests go to the good one alone", |_| {
        shares().is_none() && pointed() == Some(3)
    })
    .await;
    agent.stop().await;
}
