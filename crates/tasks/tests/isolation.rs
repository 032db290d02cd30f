//! Tasks that are kept apart, against real processes. As root every way is tried; as an ordinary user what that may do.

#![allow(clippy::unwrap_used)]

use model::service::{CheckKind, HealthCheck, TaskLimits};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tasks::health::{self, Target, Unhealthy};
use tasks::task::isolation::{Isolation, Means, View, cover};
use tasks::task::{self, Ended, LaunchId, LogFile, Task, TaskSpec};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// One that no other test is.
fn stranger() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    1_950_000_000 + (std::process::id() % (1 << 16)) * 64 + NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An agent's folder below one that is closed to others, with a secret, a release of two scripts and another service.
struct Agent {
    _closed: TempDir,
    folder: PathBuf,
    isolation: Isolation,
}

impl Agent {
    fn new(isolation: Isolation, script: &str, check: &str) -> Self {
        let closed = tempfile::tempdir().unwrap();
        if !isolation.namespaces {
            open(closed.path(), 0o755);
        }
        let folder = closed.path().join("agent");
        for name in ["artifacts/a", "services/web", "services/other/run"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        for (name, script) in [("run", script), ("check", check)] {
            let program = folder.join("artifacts/a").join(name);
            std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            open(&program, 0o755);
        }
        std::fs::write(folder.join("key"), "secret").unwrap();
        open(&folder.join("key"), 0o600);
        std::fs::write(folder.join("services/other/run/file"), "secret").unwrap();
        open(&folder.join("services/other/run"), 0o700);
        std::fs::write(folder.join("services/web/release-1"), "7").unwrap();
        Self {
            _closed: closed,
            folder,
            isolation,
        }
    }

    fn spec(&self) -> TaskSpec {
        let service = self.folder.join("services/web");
        let covered = match self.isolation.user {
            Some(_) => cover(&self.folder),
            None => self.folder.clone(),
        };
        TaskSpec {
            folder: service.join("run"),
            program: self.folder.join("artifacts/a/run"),
            arguments: vec!["an argument".to_owned()],
            environment: self.environment(),
            log: LogFile {
                path: service.join("logs/1.log"),
                length_max: 1 << 20,
            },
            launch: LaunchId::new().unwrap(),
            isolation: self.isolation,
            view: View {
                hidden: vec![covered],
                artifact: self.folder.join("artifacts/a"),
                temporary: service.join("temporary-1"),
                service,
            },
            limits: TaskLimits::default(),
            groups: None,
        }
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let variables = [
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("AGENT", self.folder.display().to_string()),
            ("MESSAGE", "it's\n\"$HOME\"".to_owned()),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn target(&self, task: &Task) -> Target {
        Target {
            port: 1,
            artifact: self.folder.join("artifacts/a"),
            folder: self.folder.join("services/web/run"),
            isolation: self.isolation,
            process: Some(task.record().pid()),
            environment: self.environment(),
        }
    }
}

fn open(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    assert!(waited.is_ok(), "never: {what}");
}

/// Every way that this machine allows this user; what it doesn't allow is said.
async fn ways() -> Vec<Isolation> {
    let user = stranger();
    let means = Means::look(user).await;
    for missing in [&means.users, &means.namespaces]
        .into_iter()
        .filter_map(|found| found.as_ref().err())
    {
        eprintln!("skipped in part: {missing}");
    }
    let users = [means.users.is_ok().then_some(Some(user)), Some(None)]
        .into_iter()
        .flatten();
    let both = users.flat_map(|user| [true, false].map(|namespaces| Isolation { user, namespaces }));
    both.filter(|isolation| !isolation.is_empty() && (means.namespaces.is_ok() || !isolation.namespaces))
        .collect()
}

fn namespace(pid: u32, kind: &str) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap()
}

/// Says what it is, does what it may, and tries what it may not.
const NOSY: &str = r#"echo "user $(id -u) group $(id -g) groups $(id -G)"
grep -e NoNewPrivs -e CapEff -e CapBnd /proc/self/status
echo "$1|$MESSAGE|$(cat)"
cat $AGENT/services/web/release-1; echo
touch mine && echo "writes its folder"
touch /tmp/mine && echo "writes /tmp"
echo x >> /dev/stdout && echo "opens its output again"
for path in $AGENT/key $AGENT/services/other/run/file; do
  if cat $path; then echo "reads $path"; fi
done 2>/dev/null
touch $AGENT/artifacts/a/new 2>/dev/null && echo "writes its artifact"
ls $AGENT
echo done; exec sleep 1000"#;

#[tokio::test]
async fn a_task_has_no_rights_but_its_users_and_sees_nothing_but_its_own() {
    for isolation in ways().await {
        let agent = Agent::new(isolation, NOSY, "");
        let spec = agent.spec();
        let log = spec.log.path.clone();
        let task = task::start(spec).await.unwrap();
        until("it tried everything", || text(&log).ends_with("done\n")).await;
        let said = text(&log);
        let user = isolation.user.unwrap_or(rustix::process::geteuid().as_raw());
        for part in [
            &*format!("user {user} group "),
            "NoNewPrivs:\t1\n",
            "CapBnd:\t0000000000000000\n",
            "CapEff:\t0000000000000000\n",
            "an argument|it's\n\"$HOME\"|\n7\n",
            "writes its folder\nwrites /tmp\nx\nopens its output again\n",
        ] {
            assert!(said.contains(part), "{isolation:?}: {part:?} is not in {said}");
        }
        if let Some(user) = isolation.user {
            assert!(
                said.contains(&format!("user {user} group {user} groups {user}\n")),
                "{said}"
            );
        }
        for part in ["secret", "reads ", "writes its artifact"] {
            assert!(!said.contains(part), "{isolation:?}: {part:?} is in {said}");
        }
        let sees_itself_only = said.ends_with("\nartifacts\nservices\ndone\n");
        assert_eq!(sees_itself_only, isolation.namespaces, "{said}");
        let mine = std::fs::metadata(agent.folder.join("services/web/run/mine")).unwrap();
        assert_eq!(mine.uid(), user);
        stop_well(isolation, &agent, task).await;
    }
}

/// The program has the process's number, its /tmp is its own, and it hears what it is told.
async fn stop_well(isolation: Isolation, agent: &Agent, task: Task) {
    let pid = task.record().pid();
    assert_eq!(text(Path::new(&format!("/proc/{pid}/comm"))), "sleep\n");
    let own = agent.folder.join("services/web/temporary-1/mine");
    assert_eq!(
        (own.exists(), Path::new("/tmp/mine").exists()),
        (isolation.namespaces, !isolation.namespaces)
    );
    for kind in ["mnt", "ipc", "uts"] {
        let apart = namespace(pid, kind) != namespace(std::process::id(), kind);
        assert_eq!(apart, isolation.namespaces, "{kind}");
    }
    assert_eq!(task.stop(PATIENCE).await, Ended::Signal(15));
    if !isolation.namespaces {
        std::fs::remove_file("/tmp/mine").unwrap();
    }
}

#[tokio::test]
async fn a_task_that_is_apart_is_found_again_by_its_record_and_by_its_mark() {
    for isolation in ways().await {
        let agent = Agent::new(isolation, "echo ready; exec sleep 1000", "");
        let spec = agent.spec();
        let (launch, log) = (spec.launch.clone(), spec.log.clone());
        let task = task::start(spec).await.unwrap();
        until("it is ready", || text(&log.path).contains("ready")).await;
        let found = Task::find(&launch, &log, &TaskLimits::default(), None)
            .unwrap()
            .unwrap();
        assert_eq!(&found, task.record());
        drop(task);
        let adopted = Task::adopt(found).await.unwrap().unwrap();
        assert_eq!(adopted.stop(PATIENCE).await, Ended::Unknown);
    }
}

#[tokio::test]
async fn a_checks_program_stands_where_the_task_does() {
    let check = "test \"$(cat /tmp/socket)\" = \"$(id -u)\" && test \"$(pwd)\" = $AGENT/services/web/run && \
        test \"$MESSAGE\" = \"it's\n\\\"\\$HOME\\\"\"";
    for isolation in ways().await.into_iter().filter(|isolation| isolation.namespaces) {
        let agent = Agent::new(
            isolation,
            "id -u > /tmp/socket; echo ready; exec sleep 1000",
            check,
        );
        let spec = agent.spec();
        let log = spec.log.path.clone();
        let task = task::start(spec).await.unwrap();
        until("it is ready", || text(&log).contains("ready")).await;
        let mut check = HealthCheck {
            kind: CheckKind::Command,
            command: vec!["check".to_owned()],
            timeout_ms: 30_000,
            ..HealthCheck::default()
        };
        health::ask(&agent.target(&task), &check).await.unwrap();
        check.command = vec!["missing".to_owned()];
        let error = health::ask(&agent.target(&task), &check).await.unwrap_err();
        assert!(matches!(error, Unhealthy::Ended(Ended::Code(127))), "{error}");
        task.stop(Duration::ZERO).await;
    }
}

#[tokio::test]
async fn nothing_of_a_release_is_loaded_before_the_task_is_its_own_user() {
    for isolation in ways().await {
        let agent = Agent::new(isolation, "echo done", "");
        let mut spec = agent.spec();
        let library = ("LD_PRELOAD".to_owned(), "/nowhere.so".to_owned());
        spec.environment.extend([library]);
        let log = spec.log.path.clone();
        let task = task::start(spec).await.unwrap();
        assert_eq!(task.wait().await, Ended::Code(0));
        // The loader complains once for each program that it loads with this variable: the release's alone.
        let said = text(&log);
        assert_eq!(said.matches("/nowhere.so").count(), 1, "{isolation:?}: {said}");
    }
}

#[tokio::test]
async fn where_no_group_holds_them_the_processes_of_a_tasks_user_are_counted() {
    let script = "n=0; while [ $n -lt 100 ]; do n=$((n+1)); sleep 1000 & done; echo all; exec sleep 1000";
    for isolation in ways()
        .await
        .into_iter()
        .filter(|isolation| isolation.user.is_some())
    {
        let agent = Agent::new(isolation, script, "");
        let mut spec = agent.spec();
        spec.limits.processes = Some(16);
        let log = spec.log.path.clone();
        let task = task::start(spec).await.unwrap();
        assert_eq!(task.wait().await, Ended::Code(2), "{}", text(&log));
        assert!(text(&log).contains("fork"), "{}", text(&log));
    }
}

#[tokio::test]
async fn a_folder_that_was_the_agents_becomes_the_tasks_and_what_its_links_name_does_not() {
    for isolation in ways()
        .await
        .into_iter()
        .filter(|isolation| isolation.user.is_some())
    {
        let agent = Agent::new(isolation, "cat older && echo new >> older", "");
        let run = agent.folder.join("services/web/run");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("older"), "old\n").unwrap();
        symlink(agent.folder.join("key"), run.join("link")).unwrap();
        let spec = agent.spec();
        let log = spec.log.path.clone();
        let task = task::start(spec).await.unwrap();
        assert_eq!(task.wait().await, Ended::Code(0), "{}", text(&log));
        assert_eq!(text(&run.join("older")), "old\nnew\n");
        assert_eq!(std::fs::metadata(agent.folder.join("key")).unwrap().uid(), 0);
        let about = std::fs::metadata(&run).unwrap();
        assert_eq!(
            (about.uid(), about.mode() & 0o777),
            (isolation.user.unwrap(), 0o700)
        );
    }
}

/// Root runs all of the above once more as an ordinary user.
#[test]
fn an_agent_that_is_an_ordinary_user_keeps_its_tasks_apart_too() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: the other tests are run as an ordinary user already");
    }
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), 0o755);
    let copy = folder.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let output = std::process::Command::new("/usr/bin/setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(copy)
        .args(["--nocapture", "--test-threads=1"])
        .current_dir("/")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}", said.concat());
    assert!(said[1].contains("the agent is an ordinary user"), "{}", said[1]);
    eprintln!("{}", said.concat());
}
