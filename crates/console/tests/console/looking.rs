//! A console full of things, for whoever works on its look.

use crate::reporting::report;
use crate::support::{Console, ENGINEER, MANAGER, TARGET};
use database::jobs::Claim;
use model::{BuildId, Phase, RegionName, TaskState};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const REGIONS: [&str; 3] = ["ap-south-1", "east", "eu-west-1"];

/// Builds in every state, and a deployment that moves.
async fn fill(console: &Console) {
    for region in REGIONS {
        let region: RegionName = region.parse().unwrap();
        console.builds.upsert_region(&region).await.unwrap();
    }
    let built = console.built(TARGET).await;
    console.deployed(built).await;
    copy(console, built).await;
    let states = [
        TaskState::Healthy,
        TaskState::Staged,
        TaskState::Fetching,
        TaskState::Error,
    ];
    let answer = console
        .post_as(MANAGER, "/v1/regions/east/report", &hosts(&states))
        .await;
    assert!(answer.status.is_success(), "{answer:?}");

    let claim = begin(console, "//:other").await;
    let reason = "command failed with exit code 2\n\ncc: fatal error: no input files";
    console.jobs.fail(claim.build, claim.lease, reason).await.unwrap();
    console.commit("[targets.\"//:web\"]\ncommand = [\"true\"]\noutputs = [\"web\"]\n");
    let Claim { build, lease, .. } = begin(console, TARGET).await;
    let log: String = (1..400)
        .map(|n| format!("cc -O2 -Wall -Wextra -c src/module_{n}.c -o out/module_{n}.o\n"))
        .collect();
    console
        .jobs
        .append_log(build, lease, 1, log.as_bytes())
        .await
        .unwrap();
    let request = json!({"repository": "here", "revision": "main", "target": TARGET, "force": true});
    console.post("/v1/builds", &request).await;
}

/// Two regions hold the copy, the third is at it.
async fn copy(console: &Console, build: BuildId) {
    let artifact = console
        .jobs
        .build(build)
        .await
        .unwrap()
        .unwrap()
        .artifact
        .unwrap();
    for (index, region) in REGIONS.iter().enumerate() {
        let region: RegionName = region.parse().unwrap();
        let progress = console.builds.replica_progress(&artifact, &region, 3 << 20);
        progress.await.unwrap();
        if index < 2 {
            console.builds.replica_verified(&artifact, &region).await.unwrap();
        }
    }
}

/// A build whose command runs.
async fn begin(console: &Console, target: &str) -> Claim {
    console.enqueue(target).await;
    let claim = console.claim().await;
    for phase in [Phase::Checkout, Phase::Build] {
        console
            .jobs
            .begin_phase(claim.build, claim.lease, phase)
            .await
            .unwrap();
    }
    claim
}

fn hosts(states: &[TaskState]) -> Value {
    let mut all = report(1, TaskState::Healthy);
    let sample = all["instances"][0].clone();
    let instances = states.iter().enumerate().map(|(index, state)| {
        let mut host = sample.clone();
        host["host"] = json!(format!("east-host-{}", index + 1));
        host["instance"]["state"] = json!(state);
        if *state == TaskState::Error {
            host["instance"]["reason"] = json!("health check: connection refused");
        }
        host
    });
    all["instances"] = instances.collect();
    all["hosts_alive"] = json!(states.len());
    all
}

#[test]
#[ignore = "serves until it is stopped"]
fn a_console_to_look_at() {
    crate::support::forever(async {
        let console = Console::new().await;
        fill(&console).await;
        println!(
            "http://{}/login?token={ENGINEER}",
            console.service.local_addr().unwrap()
        );
        let Console { service, .. } = console;
        service.run(CancellationToken::new()).await.unwrap();
    });
}
