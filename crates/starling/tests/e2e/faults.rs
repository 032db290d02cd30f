//! Processes that die, stop and come back in the middle of their work.

use crate::fixture;
use crate::processes::{kill_and_await_restart, pid, send, signal};
use crate::system::{System, wait_until};
use serde_json::Value;

/// A build that cannot end before the test says so, however slow the machine is.
const WAIT_FOR_GO: &str = "until [ -e go ]; do sleep 0.1; done";

/// Lets every build go on that waits now.
fn let_go(system: &System) {
    let folders = |path: std::path::PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
    for worker in folders(system.data().join("work")) {
        for attempt in folders(worker.path().join("builds/attempts")) {
            // An attempt that ends meanwhile takes its folder with it.
            let _ = std::fs::write(attempt.path().join("source/go"), "");
        }
    }
}

#[test]
fn a_worker_killed_in_mid_build_and_in_mid_upload_is_replaced() {
    let system = System::start(&["--regions", "1", "--hosts", "1"]);
    let repository = system.scratch("slow");
    fixture::shell(
        &repository,
        &format!("{WAIT_FOR_GO}; mkdir out; echo done > out/done"),
        "",
    );
    system.register("slow", &repository);
    killed_in(&system, "slow", "BUILD");

    let repository = system.scratch("large");
    fixture::shell(
        &repository,
        "mkdir out; head -c 1500000000 /dev/urandom > out/payload",
        "",
    );
    system.register("large", &repository);
    killed_in(&system, "large", "UPLOAD");
}

/// Kills the worker once its attempt is in `phase`; the build must still succeed, once.
fn killed_in(system: &System, repository: &str, phase: &str) {
    let id = system.enqueue(repository, "//:it");
    let running = system.wait(&id, &format!("the build is in {phase}"), |status| {
        status["build"]["phase"] == phase
    });
    signal(system, running["build"]["worker"].as_str().unwrap(), "KILL");
    let ended = system.wait(&id, "the build ends", |status| {
        let_go(system);
        is_terminal(status)
    });
    assert_eq!(ended["build"]["state"], "SUCCEEDED", "{ended}");
    assert_eq!(ended["build"]["attempt"], 2, "{ended}");
}

#[test]
fn a_worker_that_slept_past_its_lease_cannot_complete() {
    let system = System::start(&["--regions", "1", "--hosts", "1"]);
    let repository = system.scratch("slow");
    // The output names the attempt's own random number, so that two results would differ.
    fixture::shell(
        &repository,
        &format!("{WAIT_FOR_GO}; mkdir out; head -c 32 /dev/urandom > out/done"),
        "",
    );
    system.register("slow", &repository);
    let id = system.enqueue("slow", "//:it");
    let running = system.wait(&id, "the build runs", |status| {
        status["build"]["phase"] == "BUILD"
    });
    let sleeper = running["build"]["worker"].as_str().unwrap();
    let sleeping = signal(&system, sleeper, "STOP");

    system.wait(&id, "another worker has it", |status| {
        status["build"]["attempt"] == 2
    });
    let ended = system.wait(&id, "another worker finishes it", |status| {
        let_go(&system);
        is_terminal(status)
    });
    assert_eq!(ended["build"]["state"], "SUCCEEDED", "{ended}");
    assert_eq!(ended["build"]["attempt"], 2);
    assert_ne!(ended["build"]["worker"].as_str(), Some(sleeper));
    send(sleeping, "CONT");

    // The sleeper wakes, learns that it lost, and is of use again for the next build.
    let enqueued = system.json(&["build", "--force", "--detach", "slow", "main", "//:it"]);
    let fresh = system.wait(
        enqueued["build"]["id"].as_str().unwrap(),
        "a fresh build ends",
        |status| {
            let_go(&system);
            is_terminal(status)
        },
    );
    assert_eq!(fresh["build"]["state"], "SUCCEEDED");
    assert_eq!(
        system.status(&id)["build"],
        ended["build"],
        "what was published stays as it is"
    );
}

#[test]
fn a_log_is_followed_to_its_end_although_the_api_dies() {
    let system = System::start(&["--regions", "1", "--hosts", "1"]);
    let repository = system.scratch("slow");
    fixture::shell(
        &repository,
        &format!("printf 'before \\377\\n'; {WAIT_FOR_GO}; echo after; mkdir out; echo done > out/done"),
        "",
    );
    system.register("slow", &repository);
    let id = system.enqueue("slow", "//:it");
    let (mut following, heard) = system.follow(&["logs", "-f", &id]);
    wait_until("the log is heard while it is written", || {
        heard.lock().unwrap().windows(7).any(|part| part == b"before ")
    });
    kill_and_await_restart(&system, "api");
    let mut ended = None;
    wait_until("following ends with the log", || {
        let_go(&system);
        ended = following.try_wait().unwrap();
        ended.is_some()
    });
    assert!(ended.unwrap().success());
    let whole = system.cli(&["logs", &id]).stdout;
    wait_until("what was heard is the log, to the byte", || {
        *heard.lock().unwrap() == whole
    });
    assert!(whole.windows(6).any(|part| part == b"after\n"));
}

#[test]
fn a_manager_killed_in_mid_distribution_is_replaced_by_another() {
    let system = System::start(&["--regions", "1", "--hosts", "3", "--managers", "2"]);
    limit(&system, &["--download", "20MiB"]);
    let id = deploy_large(&system, 200 << 20);
    system.wait(&id, "hosts fetch", |status| is_fetching(status, "host-1"));
    let managers = ["us-east-1.manager-1", "us-east-1.manager-2"];
    let (leader, other) = if leads(&system, managers[0]) {
        (managers[0], managers[1])
    } else {
        (managers[1], managers[0])
    };
    assert!(!leads(&system, other), "one leads at a time");
    signal(&system, leader, "KILL");
    wait_until("the other takes over", || leads(&system, other));
    limit(&system, &["--none"]);
    succeeds(&system, &id);
}

#[test]
fn a_host_killed_in_mid_transfer_goes_on_from_what_it_has() {
    let system = System::start(&["--regions", "1", "--hosts", "2"]);
    limit(&system, &["--download", "20MiB"]);
    let id = deploy_large(&system, 200 << 20);
    system.wait(&id, "the host holds a part", |status| {
        is_fetching(status, "host-1")
    });
    kill_and_await_restart(&system, "us-east-1.host-1");
    limit(&system, &["--none"]);
    let ended = succeeds(&system, &id);
    let host = ended["instances"]
        .as_array()
        .unwrap()
        .iter()
        .find(|place| place["host"] == "host-1")
        .unwrap();
    let found = host["instance"]["transfer"]["local_bytes"].as_u64().unwrap();
    assert!(found > 0, "what was on the disk is not fetched again: {host}");
}

#[test]
fn postgres_etcd_and_the_store_restart_while_a_deployment_runs() {
    let system = System::start(&["--regions", "1", "--hosts", "2"]);
    let id = deploy_large(&system, 400 << 20);
    for server in ["postgres", "us-east-1.etcd", "store"] {
        let before = pid(&system, server);
        kill_and_await_restart(&system, server);
        assert_ne!(pid(&system, server), before);
    }
    succeeds(&system, &id);
}

/// Whether a manager has led its region since it was first started.
fn leads(system: &System, manager: &str) -> bool {
    let log = system.data().join("logs").join(format!("{manager}.log"));
    std::fs::read_to_string(log).is_ok_and(|log| log.contains("leads its region"))
}

/// Builds a beacon with a payload and starts its deployment; returns the deployment's id.
fn deploy_large(system: &System, payload_bytes: u64) -> String {
    let repository = system.scratch("beacon");
    fixture::beacon(&repository, payload_bytes);
    system.register("beacon", &repository);
    system.json(&[
        "service",
        "apply",
        &repository.join("starling.toml").display().to_string(),
    ]);
    let built = system.build("beacon", "//:beacon");
    assert_eq!(built["build"]["state"], "SUCCEEDED", "{built}");
    let build = built["build"]["id"].as_str().unwrap();
    let deployment = system.json(&["deploy", "--detach", "beacon", build]);
    deployment["id"].as_str().unwrap().to_owned()
}

fn succeeds(system: &System, deployment: &str) -> Value {
    let mut last = Value::Null;
    wait_until("the deployment ends", || {
        // While Postgres is away the API says so; that is no failure of the deployment.
        let answer = system.cli(&["--json", "status", deployment]);
        last = serde_json::from_slice(&answer.stdout).unwrap_or(Value::Null);
        is_terminal(&last)
    });
    assert_eq!(last["deployment"]["state"], "SUCCEEDED", "{last}");
    last
}

/// Limits what each host takes in a second, so that its transfer lasts as long as a test needs it to.
fn limit(system: &System, arguments: &[&str]) {
    system.json(&[&["limits", "set", "--region", "us-east-1"], arguments].concat());
}

/// Whether a host has a part of the artifact, and not the whole.
fn is_fetching(status: &Value, host: &str) -> bool {
    let holds_a_part = |place: &Value| {
        let transfer = &place["instance"]["transfer"];
        let taken = ["seed_bytes", "peer_bytes", "store_bytes"]
            .iter()
            .filter_map(|origin| transfer[origin].as_u64());
        place["host"] == host && place["instance"]["state"] == "FETCHING" && taken.sum::<u64>() > 0
    };
    status["instances"]
        .as_array()
        .is_some_and(|places| places.iter().any(holds_a_part))
}

fn is_terminal(status: &Value) -> bool {
    let state = status["build"]["state"]
        .as_str()
        .or(status["deployment"]["state"].as_str());
    matches!(state, Some("SUCCEEDED" | "FAILED" | "CANCELLED" | "SUPERSEDED"))
}
