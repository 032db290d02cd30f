//! A rollout whose controller is killed behind each step that lasts.

use crate::fixture;
use crate::system::{System, wait_until};
use failpoint::Point;
use serde_json::Value;
use std::path::Path;

const HOSTS: usize = 3;
/// What a good release passes, and what a bad one passes on its way back.
const GOOD: [Point; 3] = [Point::RolloutEntered, Point::RolloutMoved, Point::PublisherTold];
const BAD: [Point; 2] = [Point::RolloutMoved, Point::RolloutRolledBack];
/// One host at a time, and none may fail.
const CAREFUL: [&str; 3] = ["--strategy=rolling", "--batch-size=1", "--failure-threshold=0"];

#[test]
fn a_controller_killed_behind_each_step_of_a_rollout_changes_nothing_of_how_it_ends() {
    if !cfg!(debug_assertions) {
        eprintln!("SKIPPED: a release build has no failpoints");
        return;
    }
    let orders = tempfile::tempdir().unwrap();
    let folder = orders.path().display().to_string();
    let system = System::start_with(
        &["--regions", "1", "--hosts", &HOSTS.to_string(), "--workers", "1"],
        &[(failpoint::FOLDER_VARIABLE, &folder)],
    );
    let repository = system.scratch("beacon");
    fixture::beacon(&repository, 1 << 10);
    system.register("beacon", &repository);
    let applied = repository.join("starling.toml").display().to_string();
    system.json(&["service", "apply", &applied]);
    let first = deploy(&system);
    assert_eq!(first["state"], "SUCCEEDED", "{first}");

    fixture::commit(&repository, &[("README", "second")]);
    order(orders.path(), &GOOD);
    let second = deploy(&system);
    assert_eq!(second["state"], "SUCCEEDED", "{second}");
    assert_eq!(running(&system, &second), vec![second["release"].clone(); HOSTS]);
    died(orders.path(), &GOOD);

    fixture::commit(&repository, &[("main.rs", "fn main() { std::process::exit(1) }")]);
    order(orders.path(), &BAD);
    let bad = deploy(&system);
    assert_eq!(bad["state"], "ROLLED_BACK", "{bad}");
    died(orders.path(), &BAD);
    let after = bad["release"].as_u64().unwrap() + 1;
    wait_until(
        "every host runs what ran before, under the rollback's number",
        || running(&system, &bad) == vec![Value::from(after); HOSTS],
    );
}

fn order(folder: &Path, points: &[Point]) {
    for point in points {
        std::fs::write(folder.join(point.name()), "").unwrap();
    }
}

/// Every order was taken, so the controller has died that often.
fn died(folder: &Path, points: &[Point]) {
    for point in points {
        assert!(
            !folder.join(point.name()).exists(),
            "nobody died at {}",
            point.name()
        );
    }
}

/// Builds `main` and deploys it; the deployment as it ended.
fn deploy(system: &System) -> Value {
    let built = system.build("beacon", "//:beacon");
    let id = built["build"]["id"].as_str().unwrap();
    let output = system.cli(&[&["--json", "deploy", "beacon", id][..], &CAREFUL].concat());
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    said["deployment"].clone()
}

/// The releases that the service's hosts run, as anybody's deployment of it says.
fn running(system: &System, deployment: &Value) -> Vec<Value> {
    let status = system.status(deployment["id"].as_str().unwrap());
    let instances = status["instances"].as_array().unwrap();
    let runs = instances
        .iter()
        .map(|instance| instance["instance"]["running_release"].clone());
    runs.collect()
}
