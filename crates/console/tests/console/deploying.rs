//! Confirming deployments.

use crate::support::{TARGET, on_console};
use axum::http::StatusCode;
use console::wire::{BuildDetail, Deployment, DeploymentDetail, Service};
use model::{DeploymentState, ReleaseNumber};
use serde_json::json;

#[test]
fn only_a_build_that_has_succeeded_is_deployed() {
    on_console(async |console| {
        let id = console.enqueue(TARGET).await;
        let request = json!({"service": "web", "build": id});
        let waiting = console.post("/v1/deployments", &request).await.refusal();
        insta::assert_snapshot!(waiting.replace(&id.to_string(), "BUILD"), @"
        409 build_not_succeeded
        build BUILD is QUEUED; only a build that has SUCCEEDED can be deployed
        wait for it: `starling status BUILD` shows how far it is
        ");
        let claim = console.claim().await;
        console.jobs.fail(claim.build, claim.lease, "no").await.unwrap();
        let failed = console.post("/v1/deployments", &request).await.refusal();
        insta::assert_snapshot!(failed.replace(&id.to_string(), "BUILD"), @"
        409 build_not_succeeded
        build BUILD is FAILED; only a build that has SUCCEEDED can be deployed
        read `starling logs BUILD`, mend it and build again
        ");
        assert!(console.builds.deployments(10, None).await.unwrap().is_empty());
    });
}

#[test]
fn a_test_that_passed_has_nothing_to_deploy() {
    on_console(async |console| {
        let id = console.enqueue(TARGET).await;
        let claim = console.claim().await;
        console.jobs.succeed_with(id, claim.lease, None).await.unwrap();
        let request = json!({"service": "web", "build": id});
        let refused = console.post("/v1/deployments", &request).await.refusal();
        insta::assert_snapshot!(refused.replace(&id.to_string(), "BUILD"), @"
        409 build_has_no_artifact
        build BUILD was a test, which makes no artifact that could be deployed
        deploy a build of a target that has outputs
        ");
        let detail: BuildDetail = console.get(&format!("/v1/builds/{id}")).await.json();
        let words = detail.deploy_refusal.unwrap();
        assert!(words.contains("It was a test"), "{words}");
        let page = console.get(&format!("/builds/{id}")).await;
        assert!(page.body.contains("none: a test"), "{}", page.body);
    });
}

#[test]
fn a_build_of_another_target_or_for_no_service_is_refused() {
    on_console(async |console| {
        let id = console.built("//:other").await;
        let other = console
            .post("/v1/deployments", &json!({"service": "web", "build": id}))
            .await;
        insta::assert_snapshot!(other.refusal(), @"
        409 other_target
        service web runs //:web, and this build made //:other
        build //:web, or deploy this build to a service that runs its target
        ");
        let ghost = console
            .post("/v1/deployments", &json!({"service": "ghost", "build": id}))
            .await;
        assert_eq!(ghost.status, StatusCode::NOT_FOUND);
        let nil = uuid::Uuid::nil();
        let unknown = console
            .post("/v1/deployments", &json!({"service": "web", "build": nil}))
            .await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND);
        assert!(console.builds.deployments(10, None).await.unwrap().is_empty());
    });
}

#[test]
fn a_deployment_is_a_release_with_a_way_through_every_region() {
    on_console(async |console| {
        let build = console.built(TARGET).await;
        let answer = console
            .post("/v1/deployments", &json!({"service": "web", "build": build}))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let deployment: Deployment = answer.json();
        assert_eq!(deployment.release, ReleaseNumber(1));

        let detail: DeploymentDetail = console
            .get(&format!("/v1/deployments/{}", deployment.id))
            .await
            .json();
        assert_eq!(detail.deployment.state, DeploymentState::Pending);
        assert_eq!(detail.regions.len(), 1);
        assert_eq!(detail.source.unwrap().repository.as_str(), "here");
        let detail: BuildDetail = console.get(&format!("/v1/builds/{build}")).await.json();
        assert_eq!(detail.deployments, std::slice::from_ref(&deployment));
        assert_eq!(detail.replicas.len(), 1);
        let service: Service = console.get("/v1/services/web").await.json();
        assert_eq!(service.deployment, Some(deployment));
    });
}

#[test]
fn a_deployment_is_cancelled_once() {
    on_console(async |console| {
        let build = console.built(TARGET).await;
        let deployment = console.deployed(build).await;
        let cancel = format!("/v1/deployments/{}/cancel", deployment.id);
        let detail: DeploymentDetail = console.post(&cancel, &()).await.json();
        assert_eq!(detail.deployment.state, DeploymentState::Cancelled);
        assert_eq!(console.post(&cancel, &()).await.status, StatusCode::CONFLICT);
        let nil = uuid::Uuid::nil();
        let ghost = console.post(&format!("/v1/deployments/{nil}/cancel"), &()).await;
        assert_eq!(ghost.status, StatusCode::NOT_FOUND);
    });
}
