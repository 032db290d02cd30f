//! What is deployed where, as people name it.

use crate::support::{Console, TARGET, on_console};
use axum::http::StatusCode;
use console::wire::{DeployStatus, Deployment, ShipDiff};
use model::BuildId;
use model::region_report::{HostFacts, RegionReport};
use serde_json::{Value, json};

/// The leader of `east` hears hosts with these rings.
async fn rings(console: &Console, rings: &[&str]) {
    let hosts = rings.iter().enumerate().map(|(number, ring)| HostFacts {
        host: format!("h{number}").parse().unwrap(),
        zone: "east-a".parse().unwrap(),
        labels: serde_json::from_value(json!({ "ring": ring })).unwrap(),
        alive: true,
    });
    let report = RegionReport {
        region: "east".parse().unwrap(),
        term: 1,
        hosts_alive: 3,
        store_bytes_read: 0,
        instances: Vec::new(),
        services: Vec::new(),
        hosts: hosts.collect(),
        distributions: Vec::new(),
    };
    console.builds.apply_region_report(&report).await.unwrap();
}

async fn refusal(console: &Console, build: BuildId, what: Value) -> String {
    let mut request = json!({ "service": "web", "build": build });
    let fields = request.as_object_mut().unwrap();
    fields.extend(what.as_object().unwrap().clone());
    console.post("/v1/deploy", &request).await.refusal()
}

#[test]
fn what_fits_no_fleet_is_refused_with_what_there_is() {
    on_console(async |console| {
        let build = console.built(TARGET).await;
        let labels = json!({ "labels": "ring=canray" });
        insta::assert_snapshot!(refusal(&console, build, labels.clone()).await, @"
        422 no_host_matches
        no host has the labels ring=canray; 0 hosts are there
        wait until hosts are heard of (`starling instances`), or leave the labels out
        ");
        rings(&console, &["canary", "fleet", "fleet"]).await;
        insta::assert_snapshot!(refusal(&console, build, labels).await, @"
        422 no_host_matches
        no host has the labels ring=canray; 3 hosts are there
        hosts have these labels, nearest first: ring=canary (1), ring=fleet (2), zone=east-a (3), region=east (3)
        ");
        let batch = json!({ "configuration": { "batch_size": 4 } });
        insta::assert_snapshot!(refusal(&console, build, batch).await, @r#"
        422 larger_than_fleet
        `batch_size` is 4 and there are 3 hosts
        give at most 3, or a percentage such as "10%"
        "#);
        let threshold = json!({ "labels": "ring=fleet", "configuration": { "failure_threshold": 3 } });
        insta::assert_snapshot!(refusal(&console, build, threshold).await, @r#"
        422 larger_than_fleet
        `failure_threshold` is 3 and there are 2 hosts
        give at most 2, or a percentage such as "10%"
        "#);
        let nobody = json!({ "configuration": { "batch_size": 0 } });
        insta::assert_snapshot!(refusal(&console, build, nobody).await, @"
        422 invalid_rollout
        `batch_size` is 0, so nothing would ever move: give a count of at least 1 or a percentage above 0%
        correct it and send it again
        ");
        let strategy = json!({ "configuration": { "strategy": "yolo" } });
        insta::assert_snapshot!(refusal(&console, build, strategy).await, @"
        422 invalid_request
        configuration.strategy: unknown variant `yolo`, expected one of `all-at-once`, `rolling`, `percentage`, `canary`, `regions`, `zones`, `blue-green`, `waves`
        correct it and send it again
        ");
        assert_eq!(console.builds.deployments(10, None).await.unwrap(), []);
    });
}

#[test]
fn a_version_or_a_commit_means_its_newest_build_that_has_succeeded() {
    on_console(async |console| {
        console.git(&["tag", "v1.4.2"]);
        let build = console.built(TARGET).await;
        let row = console.jobs.build(build).await.unwrap().unwrap();
        assert_eq!(row.version.unwrap().as_str(), "release-v1.4.2");
        let deploy = async |code: &str| {
            let request = json!({ "service": "web", "code_version": code, "when_busy": "supersede" });
            console.post("/v1/deploy", &request).await
        };
        for code in ["release-v1.4.2", row.commit.as_str(), row.commit.short()] {
            let deployment: Deployment = deploy(code).await.json();
            assert_eq!(deployment.build, build, "{code}");
            assert_eq!(deployment.version.as_deref(), Some("release-v1.4.2"));
            let diff = format!("/v1/services/web/diff?code_version={code}");
            assert_eq!(console.get(&diff).await.json::<ShipDiff>().build, build, "{code}");
        }
        let page = console.get("/deployments").await.body;
        assert!(page.contains("release-v1.4.2"), "{page}");
        insta::assert_snapshot!(deploy("release-v9.9.9").await.refusal(), @"
        404 unknown_version
        no build of //:web is called release-v9.9.9, or of that commit, and has SUCCEEDED
        build //:web of it first, or list what was built with `starling builds`
        ");
        let both = json!({ "service": "web", "build": build, "code_version": "release-v1.4.2" });
        for request in [both, json!({ "service": "web" })] {
            let refused = console.post("/v1/deploy", &request).await.refusal();
            assert!(refused.contains("give either build or code_version"), "{refused}");
        }
    });
}

#[test]
fn a_version_of_several_commits_is_refused_with_the_commits() {
    on_console(async |console| {
        let first = console.built(TARGET).await;
        console.commit("[targets.\"//:web\"]\ncommand = [\"other\"]\noutputs = [\"web\"]\n");
        let second = console.built(TARGET).await;
        let mut rows = Vec::new();
        for build in [first, second] {
            rows.push(console.jobs.build(build).await.unwrap().unwrap());
        }
        let version = rows[0].version.clone().unwrap();
        assert_eq!(rows[1].version.as_ref(), Some(&version), "both were made today");
        let request = json!({ "service": "web", "code_version": version });
        let refused = console.post("/v1/deploy", &request).await.refusal();
        assert!(refused.starts_with("409 ambiguous_version"), "{refused}");
        for row in rows {
            assert!(refused.contains(row.commit.short()), "{refused}");
        }
    });
}

#[test]
fn a_rollback_with_nothing_to_roll_back_to_is_refused_and_nothing_is_held() {
    on_console(async |console| {
        let wish = json!({ "service": "web" });
        let refused = console.post("/v1/deploy/rollback", &wish).await.refusal();
        insta::assert_snapshot!(refused, @"
        409 nothing_to_roll_back_to
        service web has no other release that succeeded, so there is nothing to roll back to
        deploy a build that is known to work
        ");
        let build = console.built(TARGET).await;
        let first = console.deployed(build).await;
        assert_eq!(
            console.post("/v1/deploy/rollback", &wish).await.refusal(),
            refused
        );
        let status: DeployStatus = console.get("/v1/deploy/status").await.json();
        assert_eq!(status.holds, []);
        assert_eq!(status.in_flight[0].id, first.id, "it goes on");
    });
}

#[test]
fn a_newcomer_is_refused_queues_or_takes_over_as_it_says() {
    on_console(async |console| {
        let build = console.built(TARGET).await;
        let deploy = async |when_busy: &str| {
            let request = json!({ "service": "web", "build": build, "when_busy": when_busy });
            console.post("/v1/deploy", &request).await
        };
        let first: Deployment = deploy("refuse").await.json();
        let refused = deploy("refuse").await.refusal();
        let words = refused.replace(&first.id.to_string(), "FIRST");
        insta::assert_snapshot!(words, @"
        409 deployment_in_flight
        deployment FIRST of service web is in flight
        wait for it (`starling status FIRST`), get in line with `--queue`, or take its place with `--supersede`
        ");
        let second: Deployment = deploy("queue").await.json();
        assert!(second.queued);
        let status: DeployStatus = console.get("/v1/deploy/status").await.json();
        assert_eq!(status.in_flight.len(), 1);
        let words = format!("waits for deployment {} to end", first.id);
        assert_eq!(status.queued[0].waits_for.as_ref(), Some(&words));
        let page = console.get(&format!("/deployments/{}", second.id)).await.body;
        assert!(page.contains(&words) && page.contains("id=\"cancel\""), "{page}");
        assert!(!page.contains("id=\"pause\""), "nothing moves that could be held");
        let cancel = console
            .post(&format!("/v1/deployments/{}/cancel", second.id), &())
            .await;
        assert_eq!(cancel.status, StatusCode::OK, "{cancel:?}");
        let third: Deployment = deploy("supersede").await.json();
        assert!(!third.queued);
        let bad = deploy("sneak").await.refusal();
        assert!(
            bad.contains("expected one of `refuse`, `queue`, `supersede`"),
            "{bad}"
        );
    });
}
