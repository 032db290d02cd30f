//! Every process that a build goes through is killed once behind each step that lasts.

use crate::fixture;
use crate::system::{System, wait_until};
use failpoint::Point;
use serde_json::Value;
use std::path::Path;

/// A few parts of an upload, other bytes each time, so that no build is spared its own.
const LINE: &str = "mkdir out; head -c 40000000 /dev/urandom > out/payload";
/// A worker that was killed is given up soon.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("STARLING_WORKER_LEASE_WINDOW_SECONDS", "3"),
    ("STARLING_CONTROLLER_LEASE_WINDOW_SECONDS", "3"),
];
/// As many builds at once as there are workers, each to be killed at its own point.
const WORKERS: usize = 2;

/// A system whose processes die where they are ordered to.
struct Doomed {
    system: System,
    orders: tempfile::TempDir,
    builds: Vec<String>,
}

impl Doomed {
    fn start() -> Self {
        let orders = tempfile::tempdir().unwrap();
        let folder = orders.path().display().to_string();
        let environment = [&ENVIRONMENT[..], &[(failpoint::FOLDER_VARIABLE, &folder)]].concat();
        let workers = WORKERS.to_string();
        let arguments = ["--regions", "2", "--hosts", "1", "--workers", &workers];
        let system = System::start_with(&arguments, &environment);
        let repository = system.scratch("large");
        fixture::shell(&repository, LINE, "");
        system.register("large", &repository);
        Self {
            system,
            orders,
            builds: Vec::new(),
        }
    }

    fn order(&self, point: Point) {
        std::fs::write(self.orders.path().join(point.name()), "").unwrap();
    }

    fn is_done(&self, point: Point) -> bool {
        !self.orders.path().join(point.name()).exists()
    }

    fn enqueue(&mut self) {
        let enqueued = self
            .system
            .json(&["build", "--force", "--detach", "large", "main", "//:it"]);
        self.builds
            .push(enqueued["build"]["id"].as_str().unwrap().to_owned());
    }

    /// Runs a build a point, and waits until all processes have died and all builds have come through.
    fn killed_at(&mut self, points: &[Point], builds: usize) {
        points.iter().for_each(|point| self.order(*point));
        for _ in 0..builds {
            self.enqueue();
        }
        for point in points {
            wait_until(&format!("a process dies at {}", point.name()), || {
                self.is_done(*point)
            });
        }
        for id in &self.builds {
            // The API is asked again where it is among those that have died.
            wait_until(&format!("{points:?} are got over by {id}"), || {
                let status = self.system.cli(&["--json", "status", id]);
                status.status.success()
                    && is_everywhere(&serde_json::from_slice(&status.stdout).expect("--json prints JSON"))
            });
        }
    }
}

#[test]
fn a_process_killed_behind_any_step_that_lasts_costs_no_build_and_leaves_nothing() {
    if !cfg!(debug_assertions) {
        eprintln!("SKIPPED: a release build has no failpoints");
        return;
    }
    let mut doomed = Doomed::start();
    an_answer_that_was_lost_is_asked_for_again(&mut doomed);
    let of = |role: &str| {
        let points = Point::ALL.iter().copied();
        points
            .filter(move |point| point.name().starts_with(role))
            .collect::<Vec<_>>()
    };
    for points in of("worker.").chunks(WORKERS) {
        doomed.killed_at(points, points.len());
    }
    let mut publishing = of("api.");
    publishing.retain(|point| *point != Point::ApiEnqueued);
    // The worker asks again each time, so one build comes by all of them.
    doomed.killed_at(&publishing, 1);
    // Only a worker that was killed gives the reaper something to take.
    doomed.killed_at(&[Point::WorkerBuilt, Point::ReaperTook], 1);
    doomed.killed_at(&of("archiver."), 1);
    doomed.killed_at(&of("synchronizer."), 1);
    doomed.killed_at(&of("replicator."), 1);
    assert_eq!(std::fs::read_dir(doomed.orders.path()).unwrap().count(), 0);

    let system = &doomed.system;
    let artifacts = doomed.builds.iter().map(|id| {
        let status = system.status(id);
        assert!(is_everywhere(&status), "it stays as it is: {status}");
        status["build"]["artifact"].as_str().unwrap().to_owned()
    });
    let artifacts: std::collections::BTreeSet<_> = artifacts.collect();
    assert_eq!(
        artifacts.len(),
        doomed.builds.len(),
        "each build has a result of its own"
    );
    for id in &doomed.builds {
        let log = crate::system::text(&system.cli(&["logs", id]).stdout);
        assert!(log.contains("published artifact"), "{log}");
    }
    let buckets = system.data().join("store/buckets");
    wait_until("no upload is left", || uploads(&buckets) == 0);
}

/// The API dies when it has inserted a build and not said so; whoever asks again gets that build.
fn an_answer_that_was_lost_is_asked_for_again(doomed: &mut Doomed) {
    doomed.order(Point::ApiEnqueued);
    let ask = ["--json", "build", "--detach", "large", "main", "//:it"];
    assert!(!doomed.system.cli(&ask).status.success());
    assert!(doomed.is_done(Point::ApiEnqueued));
    let mut answer = Value::Null;
    wait_until("the API is back", || {
        let output = doomed.system.cli(&ask);
        answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
        output.status.success()
    });
    assert_eq!(answer["fresh"], false, "{answer}");
    let id = answer["build"]["id"].as_str().unwrap().to_owned();
    doomed.system.wait(&id, "the build is got through", is_everywhere);
    doomed.builds.push(id);
}

/// Whether the build has SUCCEEDED and both regions hold what it made, compared with its checksum.
fn is_everywhere(status: &Value) -> bool {
    let state = &status["build"]["state"];
    assert!(state != "FAILED" && state != "CANCELLED", "{status}");
    let verified = |replica: &Value| replica["state"] == "VERIFIED";
    let replicas = status["replicas"].as_array().map_or(&[][..], Vec::as_slice);
    state == "SUCCEEDED" && replicas.len() == 2 && replicas.iter().all(verified)
}

/// How many multipart uploads the stores hold.
fn uploads(buckets: &Path) -> usize {
    let entries = |path: &Path| {
        std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
    };
    entries(buckets)
        .iter()
        .map(|bucket| entries(&bucket.join("uploads")).len())
        .sum()
}
