//! What targets may say: inputs, tests and caches, by a real worker.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Fixture, project};
use database::jobs::BuildRow;
use model::{BuildState, Commit, Phase};

async fn built(fixture: &Fixture, commit: &Commit) -> BuildRow {
    let build = fixture.enqueue(commit, "//:it").await;
    let row = fixture.ended(build).await;
    assert_eq!(
        row.state,
        BuildState::Succeeded,
        "{row:#?}\n{}",
        fixture.log(build).await
    );
    row
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_changes_no_input_yields_the_earlier_artifact_and_says_so() {
    let fixture = Fixture::new().await;
    let worker = fixture.start(fixture.config("worker"));
    // Its output differs each time that it is really run.
    let script = "cat src/main; ls > out; date +%s%N >> out";
    let text = format!("{}inputs = [\"src\"]\n", project(script));
    std::fs::create_dir(fixture.path("work/src")).unwrap();
    std::fs::write(fixture.path("work/src/main"), "one\n").unwrap();
    std::fs::write(fixture.path("work/README"), "one\n").unwrap();
    let first = built(&fixture, &fixture.commit(&text)).await;
    assert!(fixture.log(first.id).await.contains("\none\n"));
    let stored = fixture
        .store
        .get_manifest(&first.artifact.unwrap())
        .await
        .unwrap()
        .unwrap();
    let content = fixture
        .store
        .read(&stored.content_key, 0..stored.total)
        .await
        .unwrap();
    assert!(
        content.starts_with(b"out\nsrc\n"),
        "only inputs are laid out: {content:?}"
    );

    std::fs::write(fixture.path("work/README"), "two\n").unwrap();
    let unchanged = built(&fixture, &fixture.commit_all()).await;
    assert_eq!(unchanged.artifact, first.artifact);
    assert_eq!(
        fixture.jobs.reused_from(unchanged.id).await.unwrap(),
        Some(first.id)
    );
    let log = fixture.log(unchanged.id).await;
    assert!(
        log.contains(&format!(
            "none of the inputs has changed since build {}",
            first.id
        )),
        "{log}"
    );
    assert!(!log.contains("running"), "{log}");
    let phases = fixture.jobs.phases(unchanged.id).await.unwrap();
    assert_eq!(
        phases.iter().map(|row| row.phase).collect::<Vec<_>>(),
        [Phase::Checkout]
    );

    std::fs::write(fixture.path("work/src/main"), "three\n").unwrap();
    let changed = built(&fixture, &fixture.commit_all()).await;
    assert_ne!(changed.artifact, first.artifact);
    assert_eq!(fixture.jobs.reused_from(changed.id).await.unwrap(), None);

    // Back to the first content: the first build's result again, by content and not by history.
    std::fs::write(fixture.path("work/src/main"), "one\n").unwrap();
    let back = built(&fixture, &fixture.commit_all()).await;
    assert_eq!(back.artifact, first.artifact);

    let other_command = format!("{}inputs = [\"src\"]\n", project(&format!("true; {script}")));
    assert_ne!(
        built(&fixture, &fixture.commit(&other_command)).await.artifact,
        first.artifact
    );

    let blind = format!("{}inputs = [\"sorce\"]\n", project(script));
    let build = fixture.enqueue(&fixture.commit(&blind), "//:it").await;
    let reason = fixture.failed(build).await;
    assert!(reason.contains("input \"sorce\" names no file"), "{reason}");
    worker.stop.cancel();
    worker.task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_reports_and_makes_no_artifact() {
    let fixture = Fixture::new().await;
    let _worker = fixture.start(fixture.config("worker"));
    let test = |script: &str| {
        format!(
            "[targets.\"//:it\"]\nkind = \"test\"\ncommand = [\"sh\", \"-c\", \"{script}\"]\ninputs = [\"code\"]\n"
        )
    };
    std::fs::write(fixture.path("work/code"), "one\n").unwrap();
    let first = built(&fixture, &fixture.commit(&test("echo 3 passed"))).await;
    assert_eq!((first.artifact, first.total_bytes), (None, None));
    let log = fixture.log(first.id).await;
    assert!(
        log.contains("\n3 passed\n") && log.contains("the test has passed"),
        "{log}"
    );
    let phases = fixture.jobs.phases(first.id).await.unwrap();
    let phases: Vec<_> = phases.iter().map(|row| row.phase).collect();
    assert_eq!(phases, [Phase::Checkout, Phase::Build]);

    std::fs::write(fixture.path("work/other"), "x\n").unwrap();
    let again = built(&fixture, &fixture.commit_all()).await;
    assert_eq!(fixture.jobs.reused_from(again.id).await.unwrap(), Some(first.id));
    assert!(!fixture.log(again.id).await.contains("3 passed"));

    let build = fixture
        .enqueue(&fixture.commit(&test("echo 1 failed; exit 1")), "//:it")
        .await;
    assert_eq!(fixture.failed(build).await, "the command ended with exit code 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_is_found_again_by_the_next_build_of_the_same_target() {
    let fixture = Fixture::new().await;
    let worker = fixture.start(fixture.config("worker"));
    let script = "cd $STARLING_CACHES/cargo && ls; echo x > package-$1; touch ../../source/out";
    let text = |number: u32| {
        format!(
            "{}caches = [\"cargo\"]\n",
            project(&script.replace("$1", &number.to_string()))
        )
    };
    let first = built(&fixture, &fixture.commit(&text(1))).await;
    assert!(!fixture.log(first.id).await.contains("\npackage-1\n"));
    let second = built(&fixture, &fixture.commit(&text(2))).await;
    assert!(fixture.log(second.id).await.contains("\npackage-1\n"));

    // A worker that starts again finds it too; a build that was killed leaves nothing in it.
    worker.stop.cancel();
    worker.task.await.unwrap().unwrap();
    let _again = fixture.start(fixture.config("worker"));
    let killed = format!(
        "{}timeout_seconds = 1\n",
        text(3).replace("touch", "sleep 60; touch")
    );
    let build = fixture.enqueue(&fixture.commit(&killed), "//:it").await;
    let reason = fixture.failed(build).await;
    assert!(reason.contains("timeout"), "{reason}");
    assert!(fixture.log(build).await.contains("\npackage-1\npackage-2\n"));
    let fourth = built(&fixture, &fixture.commit(&text(4))).await;
    let log = fixture.log(fourth.id).await;
    assert!(!log.contains("package-3"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_and_submodules_are_there_for_a_target_that_asks_and_for_no_other() {
    let fixture = Fixture::new().await;
    let library = fixture.path("library").display().to_string();
    fixture.git(&["init", "--quiet", "--initial-branch=main", &library]);
    std::fs::write(fixture.path("library/code"), "code of the library").unwrap();
    fixture.git(&["-C", &library, "add", "--all"]);
    fixture.git(&["-C", &library, "commit", "--quiet", "--message", "one"]);
    let allowed = ["-c", "protocol.file.allow=always"];
    let add = [
        "submodule",
        "--quiet",
        "add",
        &format!("file://{library}"),
        "library",
    ];
    fixture.git(&[&allowed[..], &add].concat());
    fixture.git(&["lfs", "install", "--local"]);
    std::fs::write(fixture.path("work/.gitattributes"), "*.bin filter=lfs -text\n").unwrap();
    std::fs::write(fixture.path("work/large.bin"), "a large file").unwrap();
    let commit = fixture.commit(
        r#"
        [targets."//:asks"]
        command = ["sh", "-c", "cat large.bin library/code > out"]
        outputs = ["out"]
        lfs = true
        submodules = true
        [targets."//:asks_not"]
        command = ["sh", "-c", "grep -q oid large.bin && ! ls library/code"]
        kind = "test"
        "#,
    );
    let worker = fixture.start(fixture.config("worker"));
    let build = fixture.enqueue(&commit, "//:asks").await;
    let row = fixture.ended(build).await;
    assert_eq!(row.state, BuildState::Succeeded, "{row:#?}");
    let stored = fixture.store.get_manifest(&row.artifact.unwrap()).await;
    let stored = stored.unwrap().unwrap();
    let content = fixture.store.read(&stored.content_key, 0..stored.total).await;
    assert_eq!(&content.unwrap()[..], b"a large filecode of the library");
    let build = fixture.enqueue(&commit, "//:asks_not").await;
    let row = fixture.ended(build).await;
    assert_eq!(row.state, BuildState::Succeeded, "{row:#?}");
    worker.stop.cancel();
    worker.task.await.unwrap().unwrap();
}
