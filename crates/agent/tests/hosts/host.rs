//! One host under test, and what is asked of it.

use crate::manager::{FakeManager, Region};
use agent::frontend::{Direct, Frontend};
use agent::ledger::Ledger;
use agent::seat::TaskRecord;
use agent::{Config, Error, Manager, Service, TasksOnExit};
use artifact::TrustedKeys;
use model::deployment::Directive;
use model::host::HostReport;
use model::service::HealthCheck;
use model::{
    ArtifactId, DeploymentId, DesiredService, Epoch, Instance, ReleaseNumber, ServiceName, ServiceSpec,
    TaskState,
};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use swarm::{Identity, Role, Swarm};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Long enough for a busy machine, and only waited for when something is broken.
const PATIENCE: Duration = Duration::from_secs(40);

/// A host's folder, which outlives its agents. Dropping it kills what they left.
pub struct Host {
    pub config: Config,
    pub frontend: Arc<dyn Frontend>,
    _folder: tempfile::TempDir,
}

/// A living agent. Dropping it is a kill -9.
pub struct Agent {
    service: JoinHandle<Result<(), Error>>,
    stop: CancellationToken,
    _swarm: DropGuard,
}

impl Host {
    pub fn new(region: &Region, managers: &[&FakeManager]) -> Self {
        // An earlier test of this process may have installed it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let managers: Vec<Manager> = managers.iter().map(|manager| manager.candidate()).collect();
        let mut config = Config::new(
            "host-1".parse().unwrap(),
            "us-east-1a".parse().unwrap(),
            Region::name(),
            folder.path().join("agent"),
            managers,
            TrustedKeys::new([region.key.public()]).unwrap(),
        );
        config.ports = free_ports();
        config.path = std::env::var("PATH").unwrap();
        config.poll_period = Duration::from_millis(200);
        config.restart_delay_min = Duration::from_millis(100);
        config.tasks_on_exit = TasksOnExit::Stop;
        Self {
            config,
            frontend: Arc::new(Direct),
            _folder: folder,
        }
    }

    /// Begins a life of this host's agent.
    pub async fn start(&self, region: &Region) -> Agent {
        let identity = Identity::load_or_create(&self.config.folder.with_file_name("identity")).unwrap();
        let config = region.swarm(identity, self.config.host.as_str(), Role::Host);
        let (handle, calls, driver) = Swarm::start(config).await.unwrap();
        let (swarm, stop) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(driver.run(swarm.clone()));
        let service = Service::new(self.config.clone(), handle)
            .with_calls(calls)
            .with_frontend(self.frontend.clone())
            .run(stop.clone());
        let service = tokio::spawn(service);
        Agent {
            service,
            stop,
            _swarm: swarm.drop_guard(),
        }
    }

    pub fn ledger(&self) -> Ledger {
        Ledger::load(&self.config.folder).unwrap()
    }

    /// What the ledger says of a service's process.
    pub fn task(&self, service: &str) -> Option<TaskRecord> {
        self.ledger().services.get(&name(service))?.task.clone()
    }

    /// Waits until the ledger is as it should be.
    pub async fn until(&self, what: &str, mut holds: impl FnMut(&Ledger) -> bool) {
        let wait = async {
            while !holds(&self.ledger()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "still not: {what}: {:#?}", self.ledger());
    }

    pub fn holds(&self, artifact: &ArtifactId) -> bool {
        self.config
            .folder
            .join("artifacts")
            .join(artifact.to_string())
            .exists()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let Ok(ledger) = Ledger::load(&self.config.folder) else {
            return;
        };
        for task in ledger.services.values().flat_map(|record| record.tasks()) {
            // What has ended already is what is wanted.
            let _ = kill_process_group(pid(task), Signal::KILL);
        }
    }
}

impl Agent {
    /// Told to stop, as by SIGTERM.
    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.service)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    /// Gone from one moment to the next, as by kill -9: nothing of it runs any more when this returns.
    pub async fn kill(self) {
        self.service.abort();
        assert!(self.service.await.unwrap_err().is_cancelled());
    }

    /// How the agent ended by itself.
    pub async fn ended(self) -> Error {
        tokio::time::timeout(PATIENCE, self.service)
            .await
            .unwrap()
            .unwrap()
            .unwrap_err()
    }
}

pub fn name(service: &str) -> ServiceName {
    service.parse().unwrap()
}

pub fn pid(task: &TaskRecord) -> Pid {
    Pid::from_raw(task.process.pid().cast_signed()).unwrap()
}

pub fn lives(task: &TaskRecord) -> bool {
    test_kill_process(pid(task)).is_ok()
}

/// An order to have `bin/run` of an artifact.
pub fn order(
    service: &str,
    epoch: i64,
    release: i64,
    artifact: ArtifactId,
    directive: Directive,
) -> DesiredService {
    DesiredService {
        service: name(service),
        epoch: Epoch(epoch),
        deployment: DeploymentId("00000000-0000-7000-8000-000000000000".parse().unwrap()),
        release: ReleaseNumber(release),
        artifact,
        directive,
        configuration: model::Configuration::default(),
        fallback: None,
        spec: ServiceSpec {
            environment: BTreeMap::from([("STARLING_GREETING".to_owned(), "hello".to_owned())]),
            health: HealthCheck {
                interval_ms: 50,
                ..HealthCheck::default()
            },
            stop_timeout_seconds: 5,
            ..ServiceSpec::new("//a:b".parse().unwrap(), vec!["bin/run".to_owned()])
        },
    }
}

/// Waits until the host reports what it should.
pub async fn reported(
    manager: &FakeManager,
    what: &str,
    mut holds: impl FnMut(&HostReport) -> bool,
) -> HostReport {
    let mut reports = manager.reports.clone();
    let found = tokio::time::timeout(
        PATIENCE,
        reports.wait_for(|report| report.as_ref().is_some_and(&mut holds)),
    )
    .await;
    match found {
        Ok(report) => report.unwrap().clone().unwrap(),
        Err(_) => panic!("never reported: {what}; last: {:#?}", *manager.reports.borrow()),
    }
}

pub fn instance<'a>(report: &'a HostReport, service: &str) -> Option<&'a Instance> {
    report
        .instances
        .iter()
        .find(|instance| instance.service == name(service))
}

/// Waits until the service's desired release is in this state.
pub async fn reaches(manager: &FakeManager, service: &str, release: i64, state: TaskState) -> Instance {
    let fits =
        |instance: &Instance| instance.desired_release == ReleaseNumber(release) && instance.state == state;
    let what = format!("release {release} of {service} is {state}");
    let report = reported(manager, &what, |report| {
        instance(report, service).is_some_and(fits)
    })
    .await;
    instance(&report, service).unwrap().clone()
}

/// Asks a beacon what it is.
pub fn version(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET /version HTTP/1.1\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A range for one test; tests run at the same time, each in another part.
fn free_ports() -> std::ops::RangeInclusive<u16> {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(21_000);
    let first = NEXT.fetch_add(20, Ordering::Relaxed);
    first..=first + 19
}
