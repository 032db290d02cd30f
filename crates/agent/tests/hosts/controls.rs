//! What a host does when an operator says something about a distribution.

use crate::artifacts::{beacon, pack};
use crate::host::{Host, instance, lives, order, reaches, reported};
use crate::manager::{FakeManager, Region};
use model::control::{DistributionControl, Hold, RegionControls};
use model::deployment::Directive::{Activate, Stage};
use model::distribution::ArrivalState;
use model::host::HostReport;
use model::{ArtifactId, Epoch, TaskState};

fn controls(epoch: i64, artifact: ArtifactId, hold: Hold) -> RegionControls {
    RegionControls {
        epoch: Epoch(epoch),
        distributions: vec![DistributionControl {
            artifact,
            hold,
            preference: 0,
        }],
        ..RegionControls::default()
    }
}

async fn arrives(manager: &FakeManager, artifact: ArtifactId, state: ArrivalState) -> HostReport {
    reported(manager, &format!("an arrival that is {state}"), |report| {
        let arrival = report
            .arrivals
            .iter()
            .find(|arrival| arrival.artifact == artifact);
        arrival.is_some_and(|arrival| arrival.state == state)
    })
    .await
}

#[tokio::test]
async fn a_distribution_that_is_paused_begins_when_it_is_resumed() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let artifact = manager
        .seed(&pack(files.path(), beacon(), "first"), &region.key)
        .await;
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;

    manager.control(controls(1, artifact, Hold::Paused));
    manager.order([order("web", 1, 1, artifact, Stage)]);
    let report = arrives(&manager, artifact, ArrivalState::Paused).await;
    let said = instance(&report, "web").unwrap();
    assert_eq!(said.state, TaskState::Pending);
    assert_eq!(
        said.reason.as_deref(),
        Some("an operator paused the distribution")
    );
    host.until("it is remembered", |ledger| ledger.controls.epoch == Epoch(1))
        .await;

    manager.control(controls(2, artifact, Hold::None));
    reaches(&manager, "web", 1, TaskState::Staged).await;
    let report = arrives(&manager, artifact, ArrivalState::Complete).await;
    let transfer = report.arrivals[0].transfer;
    assert_eq!(transfer.verified_bytes(), transfer.total_bytes);
    agent.stop().await;
}

#[tokio::test]
async fn an_abort_drops_what_came_and_touches_nothing_that_runs() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let first = manager
        .seed(&pack(files.path(), beacon(), "first"), &region.key)
        .await;
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    manager.order([order("web", 1, 1, first, Activate)]);
    reaches(&manager, "web", 1, TaskState::Healthy).await;
    let running = host.task("web").unwrap();

    // Its manifest is handed out, and nobody has its bytes.
    let second = pack(files.path(), beacon(), "second");
    let second_id = second.manifest.id();
    manager.hand_out(
        second_id,
        region
            .key
            .sign(&second.manifest, artifact::BuildRun::default())
            .unwrap()
            .encode(),
    );
    manager.order([order("web", 2, 2, second_id, Stage)]);
    arrives(&manager, second_id, ArrivalState::Fetching).await;
    assert!(host.holds(&second_id));

    let mut both = controls(5, second_id, Hold::Aborted);
    both.distributions.push(DistributionControl {
        artifact: first,
        hold: Hold::Aborted,
        preference: 0,
    });
    manager.control(both);
    arrives(&manager, second_id, ArrivalState::Aborted).await;
    host.until("what came is gone", |_| !host.holds(&second_id)).await;
    assert!(host.holds(&first) && lives(&running));
    assert_eq!(host.task("web"), Some(running));

    // An older word, which was under way for long, changes nothing.
    manager.control(controls(4, second_id, Hold::None));
    manager.order([order("web", 3, 3, second_id, Stage)]);
    let report = reported(&manager, "the newest order", |report| {
        instance(report, "web").is_some_and(|instance| instance.epoch == Epoch(3))
    })
    .await;
    assert_eq!(report.arrivals[0].state, ArrivalState::Aborted);
    agent.stop().await;
}
