//! What a deployment would change, before it is confirmed.

use crate::support::{Console, TARGET, on_console};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use console::wire::ShipDiff;
use database::builds::Artifact;
use model::region_report::{HostInstance, RegionReport};
use model::rollout::Strategy;
use model::{BuildId, Commit};
use serde_json::json;

/// A build of the repository's present head that is recorded as deployable.
async fn built(console: &Console) -> (BuildId, Commit) {
    let build = console.built(TARGET).await;
    let row = console.jobs.build(build).await.unwrap().unwrap();
    let artifact = Artifact {
        id: row.artifact.unwrap(),
        build,
        repository: row.repository,
        commit: row.commit.clone(),
        target: row.target,
        total_bytes: 1,
    };
    console.builds.record_artifact(&artifact).await.unwrap();
    (build, row.commit)
}

/// Host `h1` of `east` says that it runs release 1.
async fn runs_release_1(console: &Console) {
    let instance = json!({
        "service": "web", "epoch": 1, "desired_release": 1, "running_release": 1, "state": "HEALTHY",
        "port": null, "transfer": {}, "reason": null,
    });
    let report = RegionReport {
        region: "east".parse().unwrap(),
        term: 1,
        hosts_alive: 1,
        store_bytes_read: 0,
        instances: vec![HostInstance {
            host: "h1".parse().unwrap(),
            zone: "east-a".parse().unwrap(),
            instance: serde_json::from_value(instance).unwrap(),
        }],
        services: Vec::new(),
        hosts: Vec::new(),
        distributions: Vec::new(),
    };
    console.builds.apply_region_report(&report).await.unwrap();
}

async fn diff(console: &Console, build: BuildId) -> ShipDiff {
    console
        .get(&format!("/v1/services/web/diff?build={build}"))
        .await
        .json()
}

#[test]
fn commits_and_settings_between_what_runs_and_what_would_run_are_told() {
    on_console(async |console| {
        let (first, commit) = built(&console).await;
        let nothing = diff(&console, first).await;
        assert_eq!(nothing.regions.len(), 1);
        assert_eq!(nothing.regions[0].running, None, "nothing runs yet");

        console.deployed(first).await;
        runs_release_1(&console).await;
        let same = diff(&console, first).await;
        let east = &same.regions[0];
        assert_eq!(east.running.as_ref().unwrap().commit, commit);
        assert!(
            east.added.is_empty() && east.removed.is_empty() && east.settings.is_empty(),
            "{east:?}"
        );

        console.commit("# two\n[targets.\"//:web\"]\ncommand = [\"make\"]\noutputs = [\"web\"]\n");
        let (second, _) = built(&console).await;
        let spec = json!({"target": TARGET, "command": ["web"], "environment": {"COLOUR": "blue"}});
        let put = Request::put("/v1/services/web").header(header::CONTENT_TYPE, "application/json");
        console
            .ask(crate::support::as_engineer(put), Body::from(spec.to_string()))
            .await;
        let ahead = diff(&console, second).await;
        let east = &ahead.regions[0];
        let subjects: Vec<&str> = east.added.iter().map(|commit| commit.subject.as_str()).collect();
        assert_eq!(
            (subjects, east.removed.len(), &east.unknown),
            (vec!["change"], 0, &None)
        );
        let settings: Vec<&str> = east.settings.iter().map(|change| change.name.as_str()).collect();
        assert_eq!(settings, ["command", "environment.COLOUR"]);

        let page = console
            .get(&format!("/builds/{second}/ship?service=web"))
            .await
            .body;
        for shown in [
            format!("east: release 1 of {} on 1 host", commit.short()),
            "<span class=\"sign\" aria-hidden=\"true\">+</span>".to_owned(),
            "<dt>environment.COLOUR</dt><dd><code>nothing</code> becomes <code>blue</code>".to_owned(),
            "<option>rolling</option>".to_owned(),
            "is in flight".to_owned(),
            "<option value=\"queue\">wait for it</option>".to_owned(),
        ] {
            assert!(page.contains(&shown), "{shown}: {page}");
        }
        let path = Box::leak(format!("/builds/{second}/deploy").into_boxed_str());
        let confirmed = "service=web&when_busy=queue&strategy=canary&labels=";
        let answer = console.submit(path, confirmed).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        let queued = console.builds.queued_deployments().await.unwrap().remove(0);
        assert_eq!((queued.build, queued.policy.strategy), (second, Strategy::Canary));
    });
}
