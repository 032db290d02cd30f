//! Letting artifacts go that nobody needs.

use crate::support::{Console, TARGET, on_console};
use console::wire::Collection;
use database::builds::Artifact;
use model::BuildId;
use serde_json::json;

/// A build whose artifact was recorded, as the synchronizer does.
async fn recorded(console: &Console) -> BuildId {
    let id = console.built(TARGET).await;
    let build = console.jobs.build(id).await.unwrap().unwrap();
    let artifact = Artifact {
        id: build.artifact.unwrap(),
        build: id,
        repository: build.repository,
        commit: build.commit,
        target: build.target,
        total_bytes: build.total_bytes.unwrap(),
    };
    console.builds.record_artifact(&artifact).await.unwrap();
    id
}

#[test]
fn what_may_go_is_said_first_and_once_it_was_let_go_it_is_not_deployed() {
    on_console(async |console| {
        let id = recorded(&console).await;
        for _ in 0..2 {
            let shown: Collection = console.get("/v1/collection").await.json();
            assert!(!shown.applied);
            assert_eq!((shown.collected.len(), shown.being_removed), (1, 0), "{shown:?}");
            assert_eq!(shown.freed_bytes, shown.collected[0].total_bytes);
        }
        let applied: Collection = console.post("/v1/collection", &json!(null)).await.json();
        assert!(applied.applied);
        assert_eq!(
            (applied.collected.len(), applied.being_removed),
            (1, 1),
            "{applied:?}"
        );
        let request = json!({ "service": "web", "build": id });
        let refused = console.post("/v1/deployments", &request).await.refusal();
        let refused = refused.replace(&applied.collected[0].artifact.short(), "ARTIFACT");
        insta::assert_snapshot!(refused, @r"
        409 artifact_withdrawn
        artifact ARTIFACT was withdrawn, to be collected
        build the same commit again, and deploy that build
        ");
        let again: Collection = console.get("/v1/collection").await.json();
        assert_eq!((again.collected.len(), again.being_removed), (0, 1), "{again:?}");
    });
}

#[test]
fn what_is_deployed_is_kept_and_says_for_whom() {
    on_console(async |console| {
        let id = recorded(&console).await;
        console.deployed(id).await;
        let applied: Collection = console.post("/v1/collection", &json!(null)).await.json();
        assert_eq!(
            (
                applied.collected.len(),
                applied.freed_bytes,
                applied.being_removed
            ),
            (0, 0, 0)
        );
        let reason = applied.kept[0].reason.as_deref();
        assert_eq!(reason, Some("service web is deployed with it"));
    });
}
