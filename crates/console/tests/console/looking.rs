//! A console full of things, for whoever works on its look.

use crate::reporting::report;
use crate::support::{Console, ENGINEER, MANAGER, TARGET};
use model::{Phase, RegionName, TaskState};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const REGIONS: [&str; 3] = ["ap-south-1", "east", "eu-west-1"];

/// Builds in every state, and deployments that have succeeded and that move.
async fn fill(console: &Console) {
    for region in REGIONS {
        let region: RegionName = region.parse().unwrap();
        console.builds.upsert_region(&region).await.unwrap();
    }
    let built = console.built(TARGET).await;
    console.deployed(built).await;
    let artifact = console
        .jobs
        .build(built)
        .await
        .unwrap()
        .unwrap()
        .artifact
        .unwrap();
    for (index, region) in REGIONS.iter().enumerate() {
        let region: RegionName = region.parse().unwrap();
        if index == 2 {
            console
                .builds
                .replica_progress(&artifact, &region, 3 << 20)
                .await
                .unwrap();
        } else {
            console.builds.replica_verified(&artifact, &region).await.unwrap();
        }
    }
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
    let failed = console.enqueue("//:other").await;
    let claim = console.claim().await;
    console
        .jobs
        .begin_phase(failed, claim.lease, Phase::Checkout)
        .await
        .unwrap();
    console
        .jobs
        .begin_phase(failed, claim.lease, Phase::Build)
        .await
        .unwrap();
    let reason = "command failed with exit code 2\n\ncc: fatal error: no input files";
    console.jobs.fail(failed, claim.lease, reason).await.unwrap();
    console.commit("[targets.\"//:web\"]\ncommand = [\"true\"]\noutputs = [\"web\"]\n");
    let running = console.enqueue(TARGET).await;
    let claim = console.claim().await;
    console
        .jobs
        .begin_phase(running, claim.lease, Phase::Checkout)
        .await
        .unwrap();
    console
        .jobs
        .begin_phase(running, claim.lease, Phase::Build)
        .await
        .unwrap();
    let log: String = (1..400)
        .map(|n| format!("cc -O2 -Wall -Wextra -c src/module_{n}.c -o out/module_{n}.o\n"))
        .collect();
    console
        .jobs
        .append_log(running, claim.lease, 1, log.as_bytes())
        .await
        .unwrap();
    let request = json!({"repository": "here", "revision": "main", "target": TARGET, "force": true});
    console.post("/v1/builds", &request).await;
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
