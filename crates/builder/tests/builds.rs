//! Builds that succeed, and builds that are wrong, by a real worker.

#![allow(clippy::unwrap_used)]

mod common;

use artifact::TrustedKeys;
use common::{Fixture, gone, project, unlikely_seconds};
use model::{BuildState, Commit, Phase};

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_becomes_an_artifact_that_anybody_can_verify() {
    let fixture = Fixture::new().await;
    std::fs::create_dir_all(fixture.path("work/a/b")).unwrap();
    std::fs::write(fixture.path("work/a/b/source"), "text of the commit\n").unwrap();
    let commit = fixture.commit(
        r#"
        [targets."//a/b:c"]
        command = ["sh", "-c", "echo hello; mkdir -p out/bin; cp source out/data; touch out/empty; env > out/bin/c; chmod +x out/bin/c"]
        outputs = ["out"]
        environment = { FLAVOUR = "salt" }
        "#,
    );
    let worker = fixture.start(fixture.config("worker"));
    let build = fixture.enqueue(&commit, "//a/b:c").await;
    let row = fixture.ended(build).await;
    assert_eq!(row.state, BuildState::Succeeded, "{row:#?}");

    let artifact = row.artifact.unwrap();
    let stored = fixture.store.get_manifest(&artifact).await.unwrap().unwrap();
    let manifest = TrustedKeys::new([fixture.key.public()])
        .unwrap()
        .verify(&stored.signed)
        .unwrap();
    let files: Vec<_> = manifest
        .files()
        .iter()
        .map(|file| (file.path.as_str(), file.executable))
        .collect();
    assert_eq!(
        files,
        [("out/bin/c", true), ("out/data", false), ("out/empty", false)]
    );
    assert_eq!(manifest.provenance().commit, commit);
    let content = fixture
        .store
        .read(&stored.content_key, 0..stored.total)
        .await
        .unwrap();
    let content = String::from_utf8(content.to_vec()).unwrap();
    for line in [
        "FLAVOUR=salt",
        "SOURCE_DATE_EPOCH=1700000000",
        "STARLING_REPOSITORY=project",
        "STARLING_TARGET=//a/b:c",
        &format!("STARLING_COMMIT={commit}"),
        "text of the commit",
    ] {
        assert!(
            content.lines().any(|found| found == line),
            "{line} is not in {content}"
        );
    }

    let log = fixture.log(build).await;
    assert!(
        log.contains("\nhello\n") && log.contains(&artifact.to_string()),
        "{log}"
    );
    let phases: Vec<Phase> = fixture
        .jobs
        .phases(build)
        .await
        .unwrap()
        .iter()
        .map(|row| row.phase)
        .collect();
    assert_eq!(phases, Phase::ALL);
    fixture.until_cleared("worker").await;
    worker.stop.cancel();
    worker.task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_project_is_told_with_its_line() {
    let fixture = Fixture::new().await;
    let target = "[targets.\"//:it\"]\ncommand = [\"true\"]\n";
    let missing = fixture.commit_all();
    let mut cases = vec![(missing, "//:it", "has no starling.toml")];
    let outputs = |outputs: &str| format!("{target}outputs = [{outputs}]\n");
    for (text, label, expected) in [
        ("[targets\n".to_owned(), "//:it", "line 1"),
        (
            format!("{target}outputs = [\"x\"]\ncolour = 1\n"),
            "//:it",
            "line 4: unknown field `colour`",
        ),
        (
            outputs("\"../x\""),
            "//:it",
            "output \"../x\" leaves the target's folder",
        ),
        (outputs("\"/etc/passwd\""), "//:it", "leaves the target's folder"),
        (outputs("\"x\""), "//:other", "no target //:other; it has //:it"),
        (
            outputs("\"nothing\""),
            "//:it",
            "output \"nothing\" does not exist after the build",
        ),
        (
            project("ln -s /etc/passwd out"),
            "//:it",
            "output \"out\" leads out of the repository",
        ),
        (project("mkfifo out"), "//:it", "neither a file nor a folder"),
        (project("mkdir out"), "//:it", "hold no file"),
        (
            project("touch out").replace("//:it", "//gone:it"),
            "//gone:it",
            "folder \"gone\" is not in the commit",
        ),
        (
            project("").replace("\"sh\"", "\"no-such-program\""),
            "//:it",
            "ended with exit code",
        ),
    ] {
        cases.push((fixture.commit(&text), label, expected));
    }
    let nowhere: Commit = "0".repeat(40).parse().unwrap();
    cases.push((nowhere, "//:it", "has no commit 0000"));

    let _worker = fixture.start(fixture.config("worker"));
    for (commit, label, expected) in cases {
        let build = fixture.enqueue(&commit, label).await;
        let reason = fixture.failed(build).await;
        assert!(reason.contains(expected), "wanted {expected:?} in {reason:?}");
        let log = fixture.log(build).await;
        assert!(log.contains(&format!("FAILED: {reason}")), "{log}");
    }
    fixture.until_cleared("worker").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_goes_wrong_is_stopped_and_told() {
    let fixture = Fixture::new().await;
    let _worker = fixture.start(fixture.config("worker"));

    let commit = fixture.commit(&project("echo before; exit 3"));
    let build = fixture.enqueue(&commit, "//:it").await;
    assert_eq!(fixture.failed(build).await, "the command ended with exit code 3");
    assert!(fixture.log(build).await.contains("\nbefore\n"));

    let seconds = unlikely_seconds();
    let script = format!("trap '' TERM; (setsid sleep {seconds} &); sleep {seconds}");
    let commit = fixture.commit(&format!("{}timeout_seconds = 1\n", project(&script)));
    let build = fixture.enqueue(&commit, "//:it").await;
    let reason = fixture.failed(build).await;
    assert!(reason.contains("longer than its timeout of 1 s"), "{reason}");
    gone(&seconds).await;

    let seconds = unlikely_seconds();
    let script = format!("(setsid sleep {seconds} >/dev/null 2>&1 &); touch out");
    let build = fixture.enqueue(&fixture.commit(&project(&script)), "//:it").await;
    assert_eq!(fixture.ended(build).await.state, BuildState::Succeeded);
    gone(&seconds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_keeps_its_beginning_and_end_and_says_what_was_dropped() {
    let fixture = Fixture::new().await;
    let _worker = fixture.start(fixture.config("worker"));
    let script = "echo first; yes 0123456789 | head -c 20000000; echo; echo last; touch out";
    let build = fixture.enqueue(&fixture.commit(&project(script)), "//:it").await;
    assert_eq!(fixture.ended(build).await.state, BuildState::Succeeded);
    let log = fixture.log(build).await;
    assert!(log.len() < 112_000, "{} bytes", log.len());
    for expected in ["\nfirst\n", "limit of 100000 bytes", "\nlast\n"] {
        assert!(log.contains(expected), "{expected:?} is missing");
    }
    let gaps = fixture.jobs.log_gaps(build).await.unwrap();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_make_the_same_artifact_and_are_uploaded_once() {
    let fixture = Fixture::new().await;
    let _worker = fixture.start(fixture.config("worker"));
    let commit = fixture.commit(&project("pwd > out; id -un >> out"));
    let first = fixture.enqueue(&commit, "//:it").await;
    let first = fixture.ended(first).await.artifact.unwrap();
    let before = fixture.store.get_manifest(&first).await.unwrap().unwrap();
    let again = database::jobs::NewBuild {
        repository: common::repository(),
        revision: "main".parse().unwrap(),
        commit,
        target: "//:it".parse().unwrap(),
        version: None,
        actor: "engineer@example.org".parse().unwrap(),
        force: true,
        deadline: common::PATIENCE,
        priority: model::Priority::Normal,
        supersede: false,
    };
    let again = fixture.jobs.enqueue(&again).await.unwrap();
    assert!(again.fresh);
    assert_eq!(fixture.ended(again.build.id).await.artifact, Some(first));
    // What deployments may be reading stays where it is.
    let after = fixture.store.get_manifest(&first).await.unwrap().unwrap();
    assert_eq!(after.content_key, before.content_key);
    let log = fixture.log(again.build.id).await;
    assert!(log.contains("the same is in the store already"), "{log}");
}
