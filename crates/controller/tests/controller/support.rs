//! A builds database, two regions, and hosts that are played by the test.

use controller::{Config, Service};
use database::builds::{Artifact, DeploymentRow, NewDeployment};
use database::{Builds, Limits};
use desired_state::DesiredState;
use local_services::{Etcd, Postgres};
use model::deployment::Directive;
use model::instance::{TaskState, Transfer};
use model::region_report::{HostInstance, RegionReport};
use model::{ArtifactId, BuildId, DeploymentState, DesiredService, Instance, RegionName, ServiceName};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
pub const HOSTS: u32 = 2;

pub struct World {
    pub builds: Builds,
    etcds: BTreeMap<RegionName, (PathBuf, Option<Etcd>)>,
    endpoints: BTreeMap<RegionName, Vec<String>>,
    _postgres: Postgres,
    _folder: tempfile::TempDir,
}

pub fn region(name: &str) -> RegionName {
    name.parse().unwrap()
}

pub fn web() -> ServiceName {
    "web".parse().unwrap()
}

impl World {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let postgres = Postgres::start(&folder.path().join("postgres")).await.unwrap();
        postgres.create_database("builds").await.unwrap();
        let builds = Builds::connect(&postgres.url("builds"), Limits::default())
            .await
            .unwrap();
        builds.migrate().await.unwrap();
        let (mut etcds, mut endpoints) = (BTreeMap::new(), BTreeMap::new());
        for name in ["east", "west"] {
            let path = folder.path().join(name);
            let etcd = Etcd::start(&path).await.unwrap();
            endpoints.insert(region(name), vec![etcd.endpoint()]);
            etcds.insert(region(name), (path, Some(etcd)));
            builds.upsert_region(&region(name)).await.unwrap();
        }
        let spec = serde_json::json!({ "target": "//web:web", "command": ["bin/web"] });
        let spec = serde_json::from_value(spec).unwrap();
        let actor = "ada@example.org".parse().unwrap();
        builds.put_service(&web(), &spec, &actor).await.unwrap();
        Self {
            builds,
            etcds,
            endpoints,
            _postgres: postgres,
            _folder: folder,
        }
    }

    /// Starts a controller; it ends with the token.
    pub async fn start_controller(&self) -> (CancellationToken, tokio::task::JoinHandle<()>) {
        let config = Config {
            period: Duration::from_millis(300),
            ..Config::new(self.endpoints.clone())
        };
        let service = Service::new(config, self.builds.clone()).await.unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { service.run(stop).await.unwrap() }
        });
        (stop, running)
    }

    pub async fn stop_etcd(&mut self, name: &str) {
        let (_, etcd) = self.etcds.get_mut(&region(name)).unwrap();
        etcd.take().unwrap().stop().await.unwrap();
    }

    pub async fn start_etcd(&mut self, name: &str) {
        let (path, etcd) = self.etcds.get_mut(&region(name)).unwrap();
        *etcd = Some(Etcd::start(path).await.unwrap());
    }

    /// Records artifact `number` with its replicas, not verified yet.
    pub async fn artifact(&self, number: u8) -> Artifact {
        let artifact = Artifact {
            id: ArtifactId([number; 32]),
            build: BuildId(Uuid::from_u128(number.into())),
            repository: "here".parse().unwrap(),
            commit: format!("{number:040x}").parse().unwrap(),
            target: "//web:web".parse().unwrap(),
            total_bytes: 1_000,
        };
        self.builds.record_artifact(&artifact).await.unwrap();
        artifact
    }

    pub async fn verify(&self, artifact: &Artifact) {
        for name in ["east", "west"] {
            self.builds
                .replica_verified(&artifact.id, &region(name))
                .await
                .unwrap();
        }
    }

    pub async fn deploy(&self, artifact: &Artifact, deadline: Duration) -> DeploymentRow {
        let new = NewDeployment {
            service: web(),
            build: artifact.build,
            artifact: artifact.id,
            actor: "ada@example.org".parse().unwrap(),
            deadline,
        };
        self.builds.deploy(&new).await.unwrap()
    }

    /// What a region's etcd says of the service.
    pub async fn desired(&self, name: &str) -> Option<DesiredService> {
        let name = region(name);
        let store = DesiredState::connect(&self.endpoints[&name], &name)
            .await
            .unwrap();
        store.list().await.ok()?.services.pop()
    }

    /// Waits until a region's etcd gives this order for a deployment.
    pub async fn told(&self, name: &str, deployment: &DeploymentRow, directive: Directive) -> DesiredService {
        eventually("a region is told", async || {
            let desired = self.desired(name).await?;
            (desired.deployment == deployment.id && desired.directive == directive).then_some(desired)
        })
        .await
    }

    /// Plays the hosts of a region: each says this of what the region was told.
    pub async fn hosts_say(&self, name: &str, desired: &DesiredService, states: [TaskState; HOSTS as usize]) {
        let instances = states.iter().enumerate().map(|(index, &state)| HostInstance {
            host: format!("host-{index}").parse().unwrap(),
            zone: "zone".parse().unwrap(),
            instance: Instance {
                service: desired.service.clone(),
                epoch: desired.epoch,
                desired_release: desired.release,
                running_release: (state == TaskState::Healthy).then_some(desired.release),
                state,
                port: None,
                transfer: Transfer::default(),
                reason: (state == TaskState::Error).then(|| "it does not start".to_owned()),
            },
        });
        let report = RegionReport {
            region: region(name),
            term: 1,
            hosts_alive: HOSTS,
            store_bytes_read: 0,
            instances: instances.collect(),
            distributions: Vec::new(),
        };
        self.builds.apply_region_report(&report).await.unwrap();
    }

    /// Waits until a deployment is in a state.
    pub async fn reaches(&self, deployment: &DeploymentRow, state: DeploymentState) -> DeploymentRow {
        eventually(&format!("the deployment is {state}"), async || {
            let row = self.builds.deployment(deployment.id).await.unwrap().unwrap();
            assert!(row.state == state || !row.state.is_terminal(), "{row:?}");
            (row.state == state).then_some(row)
        })
        .await
    }
}

/// Asks again until there is an answer.
pub async fn eventually<T>(what: &str, question: impl AsyncFn() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = question().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, asking)
        .await
        .unwrap_or_else(|_| panic!("took too long: {what}"))
}
