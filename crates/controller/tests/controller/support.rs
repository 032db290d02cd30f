//! A builds database, two regions, and hosts that are played by the test.

use controller::{Config, Service};
use database::builds::{Artifact, DeploymentRow, NewDeployment};
use database::{Builds, Limits};
use desired_state::DesiredState;
use local_services::{Etcd, Postgres};
use model::instance::{InstanceHealth, TaskState, Transfer};
use model::region_report::{HostInstance, RegionReport, ServiceWord};
use model::{
    ArtifactId, BuildId, DeploymentState, Instance, Layer, RegionName, RegionService, ReleaseNumber,
    RolloutPolicy, ServiceName, WhenBusy,
};
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
            watch_period: Duration::from_millis(300),
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

    pub async fn deploy(&self, artifact: &Artifact, policy: RolloutPolicy) -> DeploymentRow {
        self.deploy_when(WhenBusy::Supersede, artifact, policy).await
    }

    /// Deploys once whatever is in flight has ended.
    pub async fn queue(&self, artifact: &Artifact, policy: RolloutPolicy) -> DeploymentRow {
        self.deploy_when(WhenBusy::Queue, artifact, policy).await
    }

    async fn deploy_when(
        &self,
        when_busy: WhenBusy,
        artifact: &Artifact,
        policy: RolloutPolicy,
    ) -> DeploymentRow {
        let new = NewDeployment {
            service: web(),
            build: artifact.build,
            artifact: artifact.id,
            actor: "ada@example.org".parse().unwrap(),
            configuration: None,
            selector: model::Selector::default(),
            policy,
            when_busy,
            automatic: false,
            version: None,
            break_glass: None,
        };
        self.builds.deploy(&new).await.unwrap()
    }

    /// What a region's etcd says of the service.
    pub async fn desired(&self, name: &str) -> Option<RegionService> {
        self.store(name).await.list().await.ok()?.services.pop()
    }

    /// A region's etcd.
    pub async fn store(&self, name: &str) -> DesiredState {
        let name = region(name);
        DesiredState::connect(&self.endpoints[&name], &name)
            .await
            .unwrap()
    }

    /// Waits until a region's etcd gives so many hosts their turn for a deployment; all of them, for `None`.
    pub async fn told(&self, name: &str, deployment: &DeploymentRow, hosts: Option<u64>) -> RegionService {
        eventually("a region is told", async || {
            let desired = self.desired(name).await?;
            let newest = desired.newest()?;
            (newest.deployment == deployment.id && newest.cursor.hosts == hosts).then_some(desired)
        })
        .await
    }

    /// Waits until a region's etcd has hosts keep a deployment's release warm.
    pub async fn told_warm(&self, name: &str, deployment: &DeploymentRow) -> RegionService {
        eventually("a region is told to keep it warm", async || {
            let desired = self.desired(name).await?;
            let newest = desired.newest()?;
            (newest.deployment == deployment.id && newest.warm).then_some(desired)
        })
        .await
    }

    /// Lets two releases of the service run side by side from now on.
    pub async fn let_overlap(&self) {
        let spec = serde_json::json!({ "target": "//web:web", "command": ["bin/web"], "overlap": "always" });
        let spec = serde_json::from_value(spec).unwrap();
        let actor = "ada@example.org".parse().unwrap();
        self.builds.put_service(&web(), &spec, &actor).await.unwrap();
    }

    /// Plays the hosts of a region: each says this of what the region was told.
    pub async fn hosts_say(&self, name: &str, desired: &RegionService, states: [TaskState; HOSTS as usize]) {
        self.hosts_say_ill(name, desired, states, &[]).await;
    }

    /// The same, where what still runs on the hosts of these numbers fails.
    pub async fn hosts_say_ill(
        &self,
        name: &str,
        desired: &RegionService,
        states: [TaskState; HOSTS as usize],
        ill: &[usize],
    ) {
        let newest = desired.newest().unwrap();
        let before = desired.layers.get(1);
        let instances = states.iter().enumerate().map(|(index, &state)| HostInstance {
            host: format!("host-{index}").parse().unwrap(),
            zone: "zone".parse().unwrap(),
            instance: Instance {
                service: desired.service.clone(),
                epoch: newest.epoch,
                desired_release: newest.release,
                running_release: runs(state, newest, before),
                active_release: active(state, newest, before),
                warm_release: keeps_warm(newest).then_some(newest.release),
                health: match state {
                    TaskState::Error => InstanceHealth::Failed,
                    TaskState::Staged if ill.contains(&index) => InstanceHealth::Failed,
                    TaskState::Healthy | TaskState::Warm | TaskState::Staged => InstanceHealth::Healthy,
                    _ => InstanceHealth::Unknown,
                },
                observations: 5,
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
            services: vec![ServiceWord {
                service: desired.service.clone(),
                epoch: desired.epoch,
                hosts: [("zone".parse().unwrap(), HOSTS.into())].into(),
                admitted: 0,
            }],
            hosts: Vec::new(),
            distributions: Vec::new(),
        };
        self.builds.apply_region_report(&report).await.unwrap();
    }

    /// A release that everybody runs.
    pub async fn succeeded(&self, number: u8) -> DeploymentRow {
        let artifact = self.artifact(number).await;
        self.verify(&artifact).await;
        let policy = RolloutPolicy {
            strategy: model::rollout::Strategy::AllAtOnce,
            ..RolloutPolicy::default()
        };
        let deployment = self.deploy(&artifact, policy).await;
        for name in ["east", "west"] {
            let told = self.told(name, &deployment, Some(0)).await;
            self.hosts_say(name, &told, [TaskState::Staged; HOSTS as usize])
                .await;
        }
        for name in ["east", "west"] {
            let told = self.told(name, &deployment, Some(HOSTS.into())).await;
            self.hosts_say(name, &told, [TaskState::Healthy; HOSTS as usize])
                .await;
        }
        self.reaches(&deployment, DeploymentState::Succeeded).await
    }

    /// The newest deployment.
    pub async fn newest(&self) -> DeploymentRow {
        self.builds.deployments(1, None).await.unwrap().remove(0)
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

/// Whether hosts whose turn has not come have the release beside what they run.
fn keeps_warm(newest: &Layer) -> bool {
    newest.warm && newest.cursor.hosts == Some(0)
}

/// What a host in such a state was told to run.
fn active(state: TaskState, newest: &Layer, before: Option<&Layer>) -> Option<ReleaseNumber> {
    match state {
        // Before anybody's turn an error is one of fetching.
        TaskState::Error | TaskState::Lost if newest.cursor.hosts != Some(0) => Some(newest.release),
        _ => runs(state, newest, before),
    }
}

/// What a host in such a state runs: the newest release once it is healthy, until then the one below.
fn runs(state: TaskState, newest: &Layer, before: Option<&Layer>) -> Option<ReleaseNumber> {
    match state {
        TaskState::Healthy => Some(newest.release),
        TaskState::Error if !keeps_warm(newest) => None,
        TaskState::Staged | TaskState::Warm | TaskState::Error => before.map(|before| before.release),
        _ => None,
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
