//! What is said of an artifact by the worker that made it.

#![allow(clippy::unwrap_used)]

mod common;

use artifact::{NotTrusted, SigningKey, TrustedKeys};
use common::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_says_from_what_by_whom_and_when_it_was_built() {
    let fixture = Fixture::new().await;
    let commit = fixture.commit(
        r#"
[targets."//:web"]
command = ["sh", "-c", "echo hello > web"]
outputs = ["web"]
"#,
    );
    let build = fixture.enqueue(&commit, "//:web").await;
    let worker = fixture.start(fixture.config("worker-1"));
    let row = fixture.ended(build).await;
    let artifact = row.artifact.unwrap();
    let stored = fixture.store.get_manifest(&artifact).await.unwrap().unwrap();
    let trusted = TrustedKeys::new([fixture.key.public()]).unwrap();
    assert_eq!(trusted.verify(&stored.signed).unwrap().id(), artifact);

    let statement = trusted.verify_statement(stored.signed.envelope()).unwrap();
    assert_eq!(statement.artifact(), artifact);
    assert_eq!(statement.provenance().commit, commit);
    let run = statement.run();
    assert_eq!(
        run.builder,
        format!("urn:starling:builder:{}", fixture.key.public().id())
    );
    assert_eq!(run.environment["worker"], "worker-1");
    assert_eq!(run.environment["attempt"], "1");
    assert_eq!(run.revision.as_deref(), Some("main"));
    assert!(run.source.as_deref().unwrap().starts_with("file://"));
    assert!(run.invocation.as_deref().unwrap().starts_with(&build.to_string()));
    assert!(run.started_on.unwrap() <= run.finished_on.unwrap());

    let stranger = SigningKey::generate([9; 32]).public();
    let refused = TrustedKeys::new([stranger])
        .unwrap()
        .verify(&stored.signed)
        .unwrap_err();
    assert_eq!(refused, NotTrusted::UnknownKey(fixture.key.public().id()));
    worker.stop.cancel();
    worker.task.await.unwrap().unwrap();
}
