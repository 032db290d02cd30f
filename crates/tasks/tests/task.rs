//! Tasks against real processes.

#![allow(clippy::unwrap_used)]

use model::ByteSize;
use model::service::TaskLimits;
use model::task_log::LogStart;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tasks::sandbox::{Cgroups, Controller, Exceeded};
use tasks::task::isolation::{Isolation, View};
use tasks::task::{self, Ended, LaunchId, LogFile, Record, Task, TaskGroups, TaskSpec};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// A release of one shell script.
fn release(script: &str) -> (TempDir, TaskSpec) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("run");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let spec = TaskSpec {
        folder: folder.path().to_owned(),
        program: PathBuf::from("run"),
        arguments: vec!["an argument".to_owned()],
        environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        log: LogFile {
            path: folder.path().join("log"),
            length_max: 1 << 20,
        },
        launch: LaunchId::new().unwrap(),
        isolation: Isolation::default(),
        view: View::default(),
        limits: TaskLimits::default(),
        groups: None,
    };
    (folder, spec)
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the condition never came true");
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn alive(pid: u32) -> bool {
    let stat = text(Path::new(&format!("/proc/{pid}/stat")));
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

#[tokio::test]
async fn a_task_gets_its_arguments_folder_and_variables_and_nothing_else() {
    let (folder, mut spec) = release(
        "echo \"$1\"; pwd; env | grep -v -e ^STARLING_LAUNCH= -e ^PWD -e ^_ -e ^SHLVL -e ^OLDPWD | sort",
    );
    spec.environment.insert("PORT".to_owned(), "4711".to_owned());
    let task = task::start(spec).await.unwrap();
    assert_eq!(task.wait().await, Ended::Code(0));
    assert_eq!(task.ended(), Some(Ended::Code(0)));
    let place = std::fs::canonicalize(folder.path()).unwrap();
    let expected = format!(
        "an argument\n{}\nPATH=/usr/bin:/bin\nPORT=4711\n",
        place.display()
    );
    assert_eq!(text(&folder.path().join("log")), expected);
}

#[tokio::test]
async fn how_a_task_ends_is_told() {
    let (_folder, spec) = release("exit 5");
    assert_eq!(task::start(spec).await.unwrap().wait().await, Ended::Code(5));
    let (_folder, spec) = release("kill -9 $$");
    assert_eq!(task::start(spec).await.unwrap().wait().await, Ended::Signal(9));
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_named() {
    let (folder, mut spec) = release("");
    spec.program = PathBuf::from("missing");
    let error = task::start(spec).await.unwrap_err().to_string();
    assert!(
        error.contains(&folder.path().join("missing").display().to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn stopping_asks_first_and_takes_the_children_along() {
    let (folder, spec) = release(
        "sleep 1000 & echo $! > child; trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done",
    );
    let log = spec.log.path.clone();
    let task = task::start(spec).await.unwrap();
    until(|| text(&log).contains("ready")).await;
    assert_eq!(task.stop(PATIENCE).await, Ended::Code(0));
    assert!(text(&log).contains("bye"));
    let child = text(&folder.path().join("child")).trim().parse().unwrap();
    until(|| !alive(child)).await;
}

#[tokio::test]
async fn a_task_that_does_not_listen_is_killed_after_its_grace() {
    let (_folder, spec) = release("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    let log = spec.log.path.clone();
    let task = task::start(spec).await.unwrap();
    until(|| text(&log).contains("ready")).await;
    assert_eq!(task.stop(Duration::from_millis(200)).await, Ended::Signal(9));
}

#[tokio::test]
async fn what_a_crashed_task_left_behind_is_killed() {
    let (folder, spec) = release("sleep 1000 & echo $! > child; exit 3");
    let task = task::start(spec).await.unwrap();
    assert_eq!(task.wait().await, Ended::Code(3));
    let child = text(&folder.path().join("child")).trim().parse().unwrap();
    until(|| !alive(child)).await;
}

#[tokio::test]
async fn a_task_survives_its_agent_and_is_adopted_by_the_next() {
    let (_folder, spec) = release("echo ready; while :; do sleep 0.05; done");
    let log = spec.log.path.clone();
    let task = task::start(spec).await.unwrap();
    until(|| text(&log).contains("ready")).await;
    let stored = serde_json::to_string(task.record()).unwrap();
    drop(task);

    let record: Record = serde_json::from_str(&stored).unwrap();
    let pid = record.pid();
    assert!(alive(pid));
    let adopted = Task::adopt(record).await.unwrap().unwrap();
    assert_eq!(adopted.ended(), None);
    assert_eq!(adopted.stop(PATIENCE).await, Ended::Unknown);
    assert!(!alive(pid));
}

fn find(launch: &LaunchId, log: &LogFile) -> Option<Record> {
    Task::find(launch, log, &TaskLimits::default(), None).unwrap()
}

#[tokio::test]
async fn a_task_whose_record_was_never_stored_is_found_by_its_mark() {
    // A child inherits the mark, and is no task.
    let (_folder, spec) = release("sleep 1000 & echo ready; while :; do sleep 0.05; done");
    let (log, launch) = (spec.log.clone(), spec.launch.clone());
    let task = task::start(spec).await.unwrap();
    until(|| text(&log.path).contains("ready")).await;
    let record = find(&launch, &log).unwrap();
    assert_eq!(&record, task.record());
    drop(task);
    let adopted = Task::adopt(record).await.unwrap().unwrap();
    adopted.stop(PATIENCE).await;
    assert_eq!(find(&launch, &log), None);
    assert_eq!(find(&LaunchId::new().unwrap(), &log), None);
}

#[tokio::test]
async fn another_process_of_the_same_number_is_not_adopted() {
    let (_folder, spec) = release("sleep 1000");
    let task = task::start(spec).await.unwrap();
    let mut stored = serde_json::to_value(task.record()).unwrap();
    stored["start_ticks"] = 1.into();
    assert!(
        Task::adopt(serde_json::from_value(stored).unwrap())
            .await
            .unwrap()
            .is_none()
    );
    let mut stored = serde_json::to_value(task.record()).unwrap();
    stored["boot"] = "an earlier start of the machine".into();
    assert!(
        Task::adopt(serde_json::from_value(stored).unwrap())
            .await
            .unwrap()
            .is_none()
    );

    let record = task.record().clone();
    task.stop(Duration::ZERO).await;
    assert!(Task::adopt(record).await.unwrap().is_none());
}

#[tokio::test]
async fn a_log_never_takes_much_more_of_the_disk_than_it_may_and_loses_no_line_that_it_keeps() {
    let script =
        "n=0; while [ $n -lt 200000 ]; do n=$((n+1)); echo line $n of many; done; echo last; sleep 1000";
    let (_folder, mut spec) = release(script);
    spec.log.length_max = 100_000;
    let log = spec.log.clone();
    let task = task::start(spec).await.unwrap();
    let bytes = || std::fs::metadata(&log.path).map_or(0, |found| found.blocks() * 512);
    let tail = || {
        log.read(LogStart::Tail(1), 100)
            .map_or(Vec::new(), |read| read.bytes)
    };
    until(|| tail() == b"last\n" && bytes() <= 120_000).await;
    let kept = log.read(LogStart::At(0), 1 << 20).unwrap();
    assert!(kept.gone_bytes > 1_000_000, "{}", kept.gone_bytes);
    let text = String::from_utf8(kept.bytes).unwrap();
    let mut numbers = text
        .lines()
        .filter_map(|line| line.split(' ').nth(1)?.parse::<u32>().ok());
    let first = numbers.next().unwrap();
    assert!(numbers.eq(first + 1..=200_000));
    task.stop(Duration::ZERO).await;
}

/// Holds 100 MB or more, a step at a time.
const EATER: &str =
    "x=0123456789abcdef; while [ ${#x} -lt 100000000 ]; do x=$x$x; done; echo full; sleep 1000";

#[tokio::test]
async fn a_task_that_eats_more_memory_than_its_group_may_is_killed_and_told_so_by_every_agent() {
    let name = format!("test-tasks-{}", std::process::id());
    let memory =
        Cgroups::open_for_tasks(&name).is_ok_and(|held| held.controllers().contains(&Controller::Memory));
    if !memory {
        return eprintln!("skipped: no control groups for memory here");
    }
    let groups = TaskGroups::new(&name);
    let limit = ByteSize::mebibytes(64);
    let limited = |script: &str| {
        let (folder, mut spec) = release(script);
        spec.limits.memory = Some(limit);
        spec.groups = Some(groups.clone());
        (folder, spec)
    };
    let (_folder, spec) = limited(EATER);
    let task = task::start(spec).await.unwrap();
    assert_eq!(task.wait().await, Ended::Exceeded(Exceeded::Memory(limit)));
    assert_eq!(
        task.wait().await.to_string(),
        "used more than 64 MiB of memory, its limit, and was killed"
    );

    // By an agent that came later, too, even one that has only the mark.
    for stored in [true, false] {
        let (folder, spec) = limited(&format!("while [ ! -e go ]; do sleep 0.05; done; {EATER}"));
        let (launch, log, limits) = (spec.launch.clone(), spec.log.clone(), spec.limits);
        let task = task::start(spec).await.unwrap();
        let record = if stored {
            serde_json::from_str(&serde_json::to_string(task.record()).unwrap()).unwrap()
        } else {
            Task::find(&launch, &log, &limits, Some(&groups))
                .unwrap()
                .unwrap()
        };
        assert_eq!(&record, task.record());
        drop(task);
        let adopted = Task::adopt(record).await.unwrap().unwrap();
        std::fs::write(folder.path().join("go"), "").unwrap();
        assert_eq!(adopted.wait().await, Ended::Exceeded(Exceeded::Memory(limit)));
    }
}

#[tokio::test]
async fn without_groups_each_process_of_a_task_is_held_to_the_memory_limit() {
    let (_folder, mut spec) = release(EATER);
    spec.limits.memory = Some(ByteSize::mebibytes(64));
    let log = spec.log.path.clone();
    let task = task::start(spec).await.unwrap();
    assert!(!matches!(task.wait().await, Ended::Code(0) | Ended::Unknown));
    assert!(!text(&log).contains("full"));
}
