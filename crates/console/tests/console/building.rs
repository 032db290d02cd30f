//! Asking for builds.

use crate::support::{Answer, Console, TARGET, on_console};
use axum::http::StatusCode;
use console::wire::{BuildDetail, BuildList, Enqueued};
use database::jobs::Heartbeat;
use model::{BuildState, Phase};
use serde_json::json;

async fn build(console: &Console, repository: &str, revision: &str, target: &str) -> Answer {
    let request = json!({"repository": repository, "revision": revision, "target": target});
    console.post("/v1/builds", &request).await
}

#[test]
fn a_branch_is_resolved_to_a_commit_when_the_build_is_asked_for() {
    on_console(async |console| {
        let answer = build(&console, "here", "main", TARGET).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let first: Enqueued = answer.json();
        assert!(first.fresh);
        assert_eq!(first.build.state, BuildState::Queued);
        assert_eq!(first.build.actor.as_str(), "ada@example.org");

        let again = build(&console, "here", first.build.commit.as_str(), TARGET).await;
        assert_eq!(again.status, StatusCode::OK);
        let again: Enqueued = again.json();
        assert_eq!((again.build.id, again.fresh), (first.build.id, false));

        console.commit("[targets.\"//:web\"]\ncommand = [\"true\"]\noutputs = [\"web\"]\n");
        let moved: Enqueued = build(&console, "here", "main", TARGET).await.json();
        assert_ne!(moved.build.commit, first.build.commit);
    });
}

#[test]
fn what_is_not_known_is_named_and_nothing_is_enqueued() {
    on_console(async |console| {
        insta::assert_snapshot!(build(&console, "ghost", "main", TARGET).await.refusal(), @"
        404 unknown_repository
        repository ghost is not registered
        register it with `starling repository add ghost URL`, or correct the name
        ");
        insta::assert_snapshot!(build(&console, "here", "no-such-branch", TARGET).await.refusal(), @"
        404 unknown_revision
        repository here has no branch, tag or commit no-such-branch
        push it, or give a branch, tag or full commit that is on the server
        ");
        let commit = "ab".repeat(20);
        insta::assert_snapshot!(build(&console, "here", &commit, TARGET).await.refusal(), @"
        404 unknown_revision
        repository here has no branch, tag or commit abababababababababababababababababababab
        push it, or give a branch, tag or full commit that is on the server
        ");
        let answer = build(&console, "here", "main", "//:ghost").await;
        let commit = answer.refusal();
        let commit = commit.split(" at ").nth(1).unwrap().split(' ').next().unwrap();
        insta::assert_snapshot!(answer.refusal().replace(commit, "COMMIT"), @"
        404 unknown_target
        starling.toml of here at COMMIT has no target //:ghost
        use one of //:other, //:web
        ");
        let unknown = uuid::Uuid::nil();
        insta::assert_snapshot!(console.get(&format!("/v1/builds/{unknown}")).await.refusal(), @"
        404 unknown_build
        there is no build 00000000-0000-0000-0000-000000000000
        list builds with `starling builds`
        ");
        assert!(console.jobs.list_builds(10, None).await.unwrap().is_empty());
    });
}

#[test]
fn a_revision_that_git_could_misread_is_refused() {
    on_console(async |console| {
        insta::assert_snapshot!(build(&console, "here", "--upload-pack=x", TARGET).await.refusal(), @"
        422 invalid_request
        revision: a revision may not begin with '-'
        correct it and send it again
        ");
        for revision in ["", "a\u{0}b", "main~1", "a..b", "ext::sh", "@{u}"] {
            let answer = build(&console, "here", revision, TARGET).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{revision:?}");
        }
        assert!(console.jobs.list_builds(10, None).await.unwrap().is_empty());
    });
}

#[test]
fn a_starling_toml_that_is_missing_or_malformed_is_left_to_the_worker() {
    on_console(async |console| {
        console.commit("[targets\n");
        let answer = build(&console, "here", "main", "//:anything").await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        console.git(&["rm", "--quiet", "starling.toml"]);
        console.git(&["commit", "--quiet", "--message=without"]);
        let answer = build(&console, "here", "main", "//:anything").await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    });
}

#[test]
fn a_repository_that_cannot_be_fetched_is_named_with_the_reason() {
    on_console(async |console| {
        let gone = json!({"name": "gone", "url": "file:///nowhere/at/all"});
        assert_eq!(
            console.post("/v1/repositories", &gone).await.status,
            StatusCode::OK
        );
        let answer = build(&console, "gone", "main", TARGET).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{answer:?}");
        assert!(
            answer
                .refusal()
                .contains("repository gone could not be fetched: git could not clone")
        );
    });
}

#[test]
fn a_build_is_cancelled_once() {
    on_console(async |console| {
        let id = console.enqueue(TARGET).await;
        let cancel = format!("/v1/builds/{id}/cancel");
        let detail: BuildDetail = console.post(&cancel, &()).await.json();
        assert_eq!(detail.build.state, BuildState::Cancelled);
        assert_eq!(detail.build.reason.unwrap(), "cancelled by ada@example.org");
        let again = console.post(&cancel, &()).await.refusal();
        insta::assert_snapshot!(again.replace(&id.to_string(), "BUILD"), @"
        409 already_ended
        build BUILD is CANCELLED already
        nothing needs to be done
        ");
    });
}

#[test]
fn a_list_is_read_page_by_page() {
    on_console(async |console| {
        let mut ids = [console.enqueue(TARGET).await, console.enqueue("//:other").await];
        ids.reverse();
        let first: BuildList = console.get("/v1/builds?limit=1").await.json();
        assert_eq!(first.builds[0].id, ids[0]);
        let next = first.next.unwrap();
        let second: BuildList = console
            .get(&format!("/v1/builds?limit=1&before={next}"))
            .await
            .json();
        assert_eq!(second.builds[0].id, ids[1]);
        let answer = console.get("/v1/builds?limit=many").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    });
}

#[test]
fn a_build_that_was_tried_again_says_where_why_and_what_it_waits_for() {
    on_console(async |console| {
        let build = console.enqueue(TARGET).await;
        let page = console.get(&format!("/builds/{build}")).await.body;
        assert!(
            page.contains("No worker was heard of within the last minute"),
            "{page}"
        );

        let claim = console.claim().await;
        let beat = Heartbeat {
            worker: "worker-1".parse().unwrap(),
            version: "0.1.0".to_owned(),
            host: "ip-10-0-0-7".to_owned(),
            capacity: 1,
            leases: vec![claim.lease],
        };
        console.jobs.heartbeat(&beat).await.unwrap();
        console
            .jobs
            .begin_phase(build, claim.lease, Phase::Build)
            .await
            .unwrap();
        console
            .jobs
            .retry(build, claim.lease, "the disk <is> full")
            .await
            .unwrap();
        let page = console.get(&format!("/builds/{build}")).await.body;
        for wanted in [
            "It rests until",
            "Attempt 1",
            "worker-1 on ip-10-0-0-7",
            "Ended: the disk &#60;is&#62; full",
            "It was tried again: attempt 1 on worker-1 ended because the disk &#60;is&#62; full.",
        ] {
            assert!(page.contains(wanted), "lacks {wanted:?}: {page}");
        }
        let detail: BuildDetail = console.get(&format!("/v1/builds/{build}")).await.json();
        assert_eq!(detail.host(), Some("ip-10-0-0-7"));
        assert!(detail.waiting.unwrap().rests_until.is_some());
    });
}

#[test]
fn a_build_is_called_by_its_branch_and_tags() {
    on_console(async |console| {
        let dev = console
            .jobs
            .build(console.enqueue(TARGET).await)
            .await
            .unwrap()
            .unwrap();
        assert!(dev.version.unwrap().as_str().starts_with("dev-20"));
        console.git(&["tag", "v1.2.3"]);
        let request = json!({"repository": "here", "revision": "v1.2.3", "target": TARGET, "force": true});
        let release: console::wire::Enqueued = console.post("/v1/builds", &request).await.json();
        assert_eq!(release.build.version.unwrap().as_str(), "release-v1.2.3");
    });
}
