//! Workers as an operator sees them, and what targets may ask of them.

use crate::fixture;
use crate::processes::{send, signal};
use crate::system::{System, text, wait_until};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const SKEWED_CLOCK: &str = include_str!("skewed_clock.c");

#[test]
fn workers_say_what_they_run_and_an_autoscaler_how_many_there_should_be() {
    let system = System::start(&["--regions", "1", "--hosts", "1", "--workers", "1"]);
    let repository = system.scratch("slow");
    fixture::shell(&repository, "until [ -e go ]; do sleep 0.1; done; touch out", "");
    system.register("slow", &repository);
    let first = system.enqueue("slow", "//:it");
    let second = enqueue_again(&system, "slow");
    system.wait(&first, "the first build runs", |status| {
        status["build"]["phase"] == "BUILD"
    });

    let list = system.json(&["workers"]);
    let worker = &list["workers"][0];
    assert_eq!(
        (&worker["name"], &worker["capacity"]),
        (&"worker-1".into(), &1.into()),
        "{list}"
    );
    assert_eq!(worker["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(worker["running"][0]["id"], first.as_str(), "{list}");
    let said = text(&system.cli(&["workers"]).stdout);
    assert!(said.contains("1 of 1") && said.contains(&first), "{said}");

    let config = worker_config(&system, 1);
    let hint = system.cli(&[
        "worker",
        "--config",
        &config.display().to_string(),
        "--autoscale-hint",
    ]);
    let hint: Value = serde_json::from_slice(&hint.stdout).unwrap();
    assert_eq!(
        (&hint["ready"], &hint["running"]),
        (&1.into(), &1.into()),
        "{hint}"
    );
    assert_eq!(
        (&hint["slots"], &hint["slots_wanted"]),
        (&1.into(), &2.into()),
        "{hint}"
    );
    assert!(hint["oldest_wait_seconds"].as_f64().unwrap() > 0.0, "{hint}");
    for id in [first, second] {
        system.json(&["cancel", &id]);
    }
}

#[test]
fn a_test_target_reports_and_unchanged_inputs_are_not_built_again() {
    let system = System::start(&["--regions", "1", "--hosts", "1"]);
    let repository = system.scratch("tested");
    let toml = r#"
[targets."//:tests"]
kind = "test"
command = ["sh", "-c", "cat code; grep -q good code"]
inputs = ["code"]

[targets."//:hog"]
kind = "test"
command = ["sh", "-c", "x=0123456789abcdef; while [ ${#x} -lt 100000000 ]; do x=$x$x; done; sleep 60"]
limits = { memory = "64MiB" }
"#;
    fixture::repository(&repository, &[("starling.toml", toml), ("code", "good")]);
    system.register("tested", &repository);
    let passed = system.build("tested", "//:tests");
    assert_eq!(passed["build"]["state"], "SUCCEEDED", "{passed}");
    assert_eq!(passed["build"]["artifact"], Value::Null);
    assert!(
        passed["deploy_refusal"].as_str().unwrap().contains("a test"),
        "{passed}"
    );

    fixture::commit(&repository, &[("README", "new")]);
    let again = system.build("tested", "//:tests");
    assert_eq!(again["build"]["state"], "SUCCEEDED", "{again}");
    assert_eq!(again["reused_from"], passed["build"]["id"], "{again}");

    fixture::commit(&repository, &[("code", "bad")]);
    let failed = system.build("tested", "//:tests");
    assert_eq!(failed["build"]["state"], "FAILED", "{failed}");

    let hog = system.build("tested", "//:hog");
    let expected = "the command used more than 64 MiB of memory, its limit, and was killed";
    assert_eq!(hog["build"]["reason"], expected, "{hog}");
}

#[test]
fn a_worker_whose_clock_is_an_hour_ahead_builds_like_any_other() {
    let system = System::start(&["--regions", "1", "--hosts", "1", "--workers", "2"]);
    // Another takes its name, since its token is good for that alone.
    let asleep = signal(&system, "worker-2", "STOP");
    let busy = system.scratch("busy");
    fixture::shell(&busy, "until [ -e go ]; do sleep 0.1; done; touch out", "");
    system.register("busy", &busy);
    let other = system.enqueue("busy", "//:it");
    system.wait(&other, "worker-1 is busy", |status| {
        status["build"]["phase"] == "BUILD"
    });

    // Longer than a lease lasts without a heartbeat, and says what its own clock says.
    let repository = system.scratch("timed");
    fixture::shell(&repository, "sleep 25; date +%s > out", "");
    system.register("timed", &repository);
    let id = system.enqueue("timed", "//:it");
    let worker = Skewed::start(&system);
    let ended = system.wait(&id, "the build ends", |status| {
        matches!(status["build"]["state"].as_str(), Some("SUCCEEDED" | "FAILED"))
    });
    assert_eq!(ended["build"]["state"], "SUCCEEDED", "{ended}");
    assert_eq!(
        (&ended["build"]["worker"], &ended["build"]["attempt"]),
        (&"worker-2".into(), &1.into()),
        "{ended}"
    );
    let took = |from: &str, to: &str| {
        let at = |name: &str| {
            ended["build"][name]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .unwrap()
        };
        at(to).duration_since(at(from)).as_secs()
    };
    assert!((25..600).contains(&took("started_at", "finished_at")), "{ended}");
    assert!((0..600).contains(&took("queued_at", "started_at")), "{ended}");
    drop(worker);
    send(asleep, "CONT");
    system.json(&["cancel", &other]);
}

/// A worker beside those of the system, whose clock is wrong.
struct Skewed(Child);

impl Skewed {
    fn start(system: &System) -> Self {
        let folder = system.scratch("skewed");
        std::fs::create_dir(&folder).unwrap();
        let library = compile(&folder);
        let (config, work) = (worker_config(system, 2), folder.join("work"));
        let child = Command::new(env!("CARGO_BIN_EXE_starling"))
            .args(["worker", "--config"])
            .arg(config)
            .arg("--set")
            .arg(format!("folder={}", work.display()))
            .env("LD_PRELOAD", library)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Skewed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn compile(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("skewed_clock.c"), folder.join("skewed_clock.so"));
    std::fs::write(&source, SKEWED_CLOCK).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(
        compiled.is_ok_and(|status| status.success()),
        "cc compiles the clock"
    );
    let says = Command::new("date")
        .arg("+%s")
        .env("LD_PRELOAD", &library)
        .output()
        .unwrap();
    let ahead = text(&says.stdout).trim().parse::<i64>().unwrap() - jiff::Timestamp::now().as_second();
    assert!((3500..3700).contains(&ahead), "the clock is {ahead} s ahead");
    library
}

fn worker_config(system: &System, number: u32) -> PathBuf {
    system.data().join(format!("roles/worker-{number}.toml"))
}

/// One more build of the same commit.
fn enqueue_again(system: &System, repository: &str) -> String {
    let enqueued = system.json(&["build", "--detach", "--force", repository, "main", "//:it"]);
    let id = enqueued["build"]["id"].as_str().unwrap().to_owned();
    wait_until("it waits", || system.status(&id)["build"]["state"] == "QUEUED");
    id
}
