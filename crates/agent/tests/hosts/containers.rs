//! Services whose tasks are containers.

#[path = "../../../tasks/tests/container/image.rs"]
mod image;

use crate::artifacts::{beacon, pack};
use crate::host::{Host, name, order, reaches, version};
use crate::manager::{FakeManager, Region};
use local_services::Podman;
use model::deployment::Directive::Activate;
use model::{ArtifactId, DesiredService, TaskState};
use tasks::container::Containers;

/// Serves files that say its release.
const SERVER: &str = "mkdir /tmp/www; cd /tmp/www; echo ok > healthz; echo release $STARLING_RELEASE > version; \
    echo serving; exec httpd -f -p 127.0.0.1:$PORT -h /tmp/www";

fn image_order(epoch: i64, artifact: ArtifactId) -> DesiredService {
    let mut order = order("web", epoch, epoch, artifact, Activate);
    order.spec.command.clear();
    order.spec.image = Some("bin/run".to_owned());
    order.spec.stop_timeout_seconds = 1;
    order
}

#[tokio::test]
async fn a_host_without_a_container_runtime_says_so_of_that_service_and_runs_the_others() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let artifact = manager
        .seed(&pack(files.path(), beacon(), "no-runtime"), &region.key)
        .await;
    let mut host = Host::new(&region, &[&manager]);
    host.config.containers = Containers::new("here/host-1", vec!["/nowhere/docker.sock".into()]);
    let agent = host.start(&region).await;
    manager.order([image_order(1, artifact), order("other", 1, 1, artifact, Activate)]);
    let refused = reaches(&manager, "web", 1, TaskState::Error).await;
    let reason = refused.reason.unwrap();
    for part in ["/nowhere/docker.sock", "install Docker", "`container_sockets`"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(
        refused.health,
        model::instance::InstanceHealth::Failed,
        "as a rollout counts it"
    );
    reaches(&manager, "other", 1, TaskState::Healthy).await;

    let mut missing = image_order(2, artifact);
    missing.spec.image = Some("web.tar".to_owned());
    manager.order([missing]);
    let reason = reaches(&manager, "web", 2, TaskState::Error)
        .await
        .reason
        .unwrap();
    assert!(reason.contains("has no file \"web.tar\""), "{reason}");
    agent.stop().await;
}

#[tokio::test]
async fn an_image_runs_outlives_its_agent_is_replaced_by_the_next_and_leaves_nothing() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: Podman is started by root here");
    }
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let podman = Podman::start(&files.path().join("podman")).await.unwrap();
    let mut artifacts = Vec::new();
    for name in ["one", "two"] {
        let archive = image::archive(files.path(), name, &format!("{SERVER} # {name}"));
        let packed = pack(files.path(), &std::fs::read(archive).unwrap(), name);
        artifacts.push(manager.seed(&packed, &region.key).await);
    }
    let mut host = Host::new(&region, &[&manager]);
    host.config.containers = Containers::new("here/host-1", vec![podman.socket()]);
    let agent = host.start(&region).await;
    manager.order([image_order(1, artifacts[0])]);
    let port = reaches(&manager, "web", 1, TaskState::Healthy)
        .await
        .port
        .unwrap();
    assert!(version(port).unwrap().contains("release 1\n"));
    let before = host.task("web").unwrap();
    agent.kill().await;
    assert!(
        version(port).unwrap().contains("release 1\n"),
        "it does not notice"
    );

    let mut again = image_order(2, artifacts[0]);
    again.release.0 = 1;
    manager.order([again]);
    let agent = host.start(&region).await;
    host.until("the newer order was taken", |ledger| {
        ledger.services[&name("web")].epoch.0 == 2
    })
    .await;
    reaches(&manager, "web", 1, TaskState::Healthy).await;
    assert_eq!(host.task("web").unwrap().process, before.process);

    manager.order([image_order(3, artifacts[1])]);
    let port = reaches(&manager, "web", 3, TaskState::Healthy)
        .await
        .port
        .unwrap();
    assert!(version(port).unwrap().contains("release 3\n"));
    let log = host.config.folder.join("services/web/logs/1.log");
    let said = std::fs::read_to_string(log).unwrap();
    assert!(
        said.contains(", in a container\n") && said.matches("serving\n").count() == 1,
        "{said}"
    );
    agent.stop().await;
    assert_eq!(podman.says(&["ps", "--all", "--quiet"]).unwrap(), "");
    assert_eq!(podman.says(&["images", "--quiet"]).unwrap(), "");
}
