//! Tasks that are containers, run by a real Podman.

#![allow(clippy::unwrap_used)]

mod image;

use local_services::Podman;
use model::ByteSize;
use model::service::TaskLimits;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tasks::container::{ContainerSpec, Containers};
use tasks::sandbox::Exceeded;
use tasks::task::{Ended, LaunchId, LogFile, Record, Task, start_container};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const USER: u32 = 1_940_000_001;

/// A Podman and a service's folder. `None`, with words, for an ordinary user, who has none of its own.
struct Host {
    podman: Podman,
    folder: TempDir,
}

impl Host {
    async fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: Podman is started by root here");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let podman = Podman::start(&folder.path().join("podman")).await.unwrap();
        Some(Self { podman, folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn spec(&self, archive: PathBuf) -> ContainerSpec {
        let service = self.path("web");
        std::fs::create_dir_all(&service).unwrap();
        std::fs::write(service.join("release-1"), "7").unwrap();
        let variables = [
            ("SERVICE", service.display().to_string()),
            ("GREETING", "it's\n\"$x\"".to_owned()),
        ];
        ContainerSpec {
            archive,
            environment: variables.map(|(name, value)| (name.to_owned(), value)).into(),
            folder: service.join("run"),
            readable: vec![service.clone()],
            log: LogFile {
                path: service.join("1.log"),
                length_max: 1 << 20,
            },
            launch: LaunchId::new().unwrap(),
            port: 1,
            user: Some(USER),
            limits: TaskLimits::default(),
            containers: Containers::new("here/host-1", vec![self.path("nowhere"), self.podman.socket()]),
        }
    }

    /// What is left in the runtime: nothing, once all has ended.
    fn left(&self) -> String {
        let listed = |arguments: &[&str]| self.podman.says(arguments).unwrap();
        listed(&["ps", "--all", "--quiet"]) + &listed(&["images", "--quiet"])
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    assert!(waited.is_ok(), "never: {what}");
}

const NOSY: &str = r#"echo "user $(id -u) group $(id -g)"; echo "$GREETING"; cat $SERVICE/release-1; echo
touch $SERVICE/run/mine && echo "writes its folder"
touch $SERVICE/other 2>/dev/null && echo "writes its service's folder"
echo error >&2
trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.1; done"#;

#[tokio::test]
async fn a_container_is_its_user_writes_its_log_is_stopped_and_leaves_nothing() {
    let Some(host) = Host::new().await else { return };
    let spec = host.spec(image::archive(host.folder.path(), "nosy", NOSY));
    let log = spec.log.path.clone();
    let task = start_container(spec).await.unwrap();
    until("it is ready", || text(&log).contains("ready\n")).await;
    assert!(Path::new(&format!("/proc/{}", task.record().pid())).exists());
    assert_eq!(task.ended(), None);
    assert_eq!(task.stop(PATIENCE).await, Ended::Code(3));
    let said = text(&log);
    for part in [
        &*format!("user {USER} group {USER}\nit's\n\"$x\"\n7\nwrites its folder\n"),
        "error\n",
        "ready\n",
        "bye\n",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert!(!said.contains("writes its service's folder"), "{said}");
    assert!(host.path("web/run/mine").exists());
    assert_eq!(host.left(), "");
}

#[tokio::test]
async fn how_a_container_ends_is_told() {
    let Some(host) = Host::new().await else { return };
    let archive = image::archive(host.folder.path(), "ends", "echo gone; exit 5");
    let mut spec = host.spec(archive);
    let task = start_container(spec.clone()).await.unwrap();
    assert_eq!(task.wait().await, Ended::Code(5));
    assert_eq!(text(&spec.log.path), "gone\n");

    let eater = "x=0123456789abcdef; while [ ${#x} -lt 200000000 ]; do x=$x$x; done; echo full";
    spec.archive = image::archive(host.folder.path(), "eats", eater);
    spec.launch = LaunchId::new().unwrap();
    let limit = ByteSize::mebibytes(64);
    spec.limits.memory = Some(limit);
    let task = start_container(spec.clone()).await.unwrap();
    let how = task.wait().await;
    // Podman 4 can't say what killed it where control groups are of version 1.
    let killed = [Ended::Exceeded(Exceeded::Memory(limit)), Ended::Code(137)];
    assert!(killed.contains(&how), "{how:?}");
    assert!(!text(&spec.log.path).contains("full"));

    let deaf = "trap '' TERM; echo deaf; while :; do sleep 0.1; done";
    spec.archive = image::archive(host.folder.path(), "deaf", deaf);
    (spec.launch, spec.limits) = (LaunchId::new().unwrap(), TaskLimits::default());
    let task = start_container(spec.clone()).await.unwrap();
    until("it runs", || text(&spec.log.path).ends_with("deaf\n")).await;
    assert_eq!(
        task.stop(Duration::from_secs(1)).await,
        Ended::Code(137),
        "killed, as runtimes tell it"
    );
    assert_eq!(host.left(), "");
}

#[tokio::test]
async fn a_container_outlives_its_agent_and_its_runtime_and_no_line_is_lost_or_doubled() {
    let Some(mut host) = Host::new().await else { return };
    let counting = "n=0; while [ $n -lt 400 ]; do n=$((n+1)); echo line $n; sleep 0.02; done; sleep 1000";
    let spec = host.spec(image::archive(host.folder.path(), "counts", counting));
    let (launch, log, limits) = (spec.launch.clone(), spec.log.clone(), spec.limits);
    let task = start_container(spec.clone()).await.unwrap();
    let record = task.record().clone();
    until("it has written", || text(&log.path).contains("line 20\n")).await;
    drop(task);
    let found = Task::find_container(&spec.containers, &launch, &log, &limits)
        .await
        .unwrap();
    assert_eq!(found.as_ref(), Some(&record), "by its mark");
    host.podman.restart().await.unwrap();
    let stored = serde_json::to_string(&record).unwrap();
    let record: Record = serde_json::from_str(&stored).unwrap();
    let task = Task::adopt(record.clone()).await.unwrap().unwrap();
    until("it has written on", || text(&log.path).contains("line 100\n")).await;
    host.podman.restart().await.unwrap();
    until("it has written all", || text(&log.path).contains("line 400\n")).await;
    assert_eq!(task.ended(), None);
    let numbers = text(&log.path);
    let numbers = numbers
        .lines()
        .filter_map(|line| line.strip_prefix("line ")?.parse::<u32>().ok());
    assert!(numbers.eq(1..=400), "{}", text(&log.path));
    task.stop(Duration::from_secs(1)).await;
    assert!(Task::adopt(record).await.unwrap().is_none());
    assert_eq!(
        Task::find_container(&spec.containers, &launch, &log, &limits)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn what_an_agent_lost_sight_of_gives_way_to_what_starts_at_its_port() {
    let Some(host) = Host::new().await else { return };
    let spec = host.spec(image::archive(
        host.folder.path(),
        "lost",
        "echo ready; sleep 1000",
    ));
    drop(start_container(spec.clone()).await.unwrap());
    let mut next = spec.clone();
    next.launch = LaunchId::new().unwrap();
    let task = start_container(next).await.unwrap();
    assert_eq!(host.podman.says(&["ps", "--quiet"]).unwrap().lines().count(), 1);
    let mut beside = spec;
    (beside.launch, beside.port) = (LaunchId::new().unwrap(), 2);
    let other = start_container(beside).await.unwrap();
    assert_eq!(
        host.podman.says(&["ps", "--quiet"]).unwrap().lines().count(),
        2,
        "another port's stays"
    );
    for task in [task, other] {
        task.stop(Duration::ZERO).await;
    }
    assert_eq!(host.left(), "");
}

#[tokio::test]
async fn what_is_no_image_or_finds_no_runtime_is_refused_in_words() {
    let nowhere = Containers::new("here/host-1", vec!["/nowhere/docker.sock".into()]);
    let folder = tempfile::tempdir().unwrap();
    let mut spec = ContainerSpec {
        archive: folder.path().join("none.tar"),
        environment: BTreeMap::new(),
        folder: folder.path().join("run"),
        readable: Vec::new(),
        log: LogFile {
            path: folder.path().join("1.log"),
            length_max: 1 << 20,
        },
        launch: LaunchId::new().unwrap(),
        port: 1,
        user: None,
        limits: TaskLimits::default(),
        containers: nowhere,
    };
    let error = start_container(spec.clone()).await.unwrap_err().to_string();
    for part in [
        "/nowhere/docker.sock",
        "install Docker",
        "podman.socket",
        "`container_sockets`",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let Some(host) = Host::new().await else { return };
    spec.containers = Containers::new("here/host-1", vec![host.podman.socket()]);
    let error = start_container(spec.clone()).await.unwrap_err().to_string();
    assert!(error.contains("failed to read the image archive"), "{error}");
    std::fs::write(&spec.archive, "no archive").unwrap();
    let error = start_container(spec.clone()).await.unwrap_err().to_string();
    assert!(error.contains("is not an archive of one image"), "{error}");
    assert_eq!(host.left(), "");
}
