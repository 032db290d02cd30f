//! Reports of replication managers.

use crate::support::{Console, ENGINEER, MANAGER, TARGET, on_console};
use axum::http::StatusCode;
use console::wire::DeploymentDetail;
use model::TaskState;
use serde_json::{Value, json};

pub fn report(term: i64, state: TaskState) -> Value {
    json!({
        "region": "east", "term": term, "hosts_alive": 1, "store_bytes_read": 5 << 20,
        "instances": [{"host": "east-1", "zone": "east-a", "instance": {
            "service": "web", "epoch": 1, "desired_release": 1, "running_release": 1, "state": state,
            "port": 8080, "reason": null,
            "transfer": {"total_bytes": 5 << 20, "seed_bytes": 1 << 20, "peer_bytes": 4 << 20, "elapsed_ms": 900},
        }}],
    })
}

async fn instances(console: &Console, path: &str) -> Vec<TaskState> {
    let detail: DeploymentDetail = console.get(path).await.json();
    detail.instances.iter().map(|host| host.instance.state).collect()
}

#[test]
fn a_region_speaks_for_itself_only_and_nobody_speaks_for_it() {
    on_console(async |console| {
        let path = "/v1/regions/east/report";
        let answer = console
            .post_as(ENGINEER, path, &report(1, TaskState::Healthy))
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        let west = "/v1/regions/west/report";
        let answer = console
            .post_as(MANAGER, west, &report(1, TaskState::Healthy))
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        let mut disguised = report(1, TaskState::Healthy);
        disguised["region"] = json!("west");
        assert_eq!(
            console.post_as(MANAGER, path, &disguised).await.status,
            StatusCode::FORBIDDEN
        );
    });
}

#[test]
fn a_report_of_an_older_leader_changes_nothing() {
    on_console(async |console| {
        let build = console.built(TARGET).await;
        let deployment = console.deployed(build).await;
        let detail = format!("/v1/deployments/{}", deployment.id);
        let path = "/v1/regions/east/report";
        let answer = console
            .post_as(MANAGER, path, &report(7, TaskState::Healthy))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let late = console.post_as(MANAGER, path, &report(6, TaskState::Error)).await;
        insta::assert_snapshot!(late.refusal(), @"
        409 stale_report
        a report of term 6 from region east came after one of term 7
        stop reporting: another manager leads this region
        ");
        assert_eq!(instances(&console, &detail).await, [TaskState::Healthy]);
    });
}
