//! Pages: what they hold, what they offer, and that hostile text stays text.

use crate::reporting::report;
use crate::support::{ENGINEER, MANAGER, TARGET, as_engineer, on_console};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use console::wire::{LOG_FINISHED_HEADER, LOG_NEXT_HEADER};
use model::{BuildState, Phase, TaskState};

#[track_caller]
fn assert_holds(page: &str, wanted: &[&str]) {
    for text in wanted {
        assert!(page.contains(text), "lacks {text:?}: {page}");
    }
}

#[test]
fn a_build_is_asked_for_and_cancelled_with_forms_alone() {
    on_console(async |console| {
        let page = console.get("/builds").await;
        assert_holds(
            &page.body,
            &[
                "<option>here</option>",
                "name=\"target\"",
                "Nothing was built yet",
            ],
        );

        let answer = console
            .submit("/builds", "repository=here&revision=main&target=%2F%2F%3Aweb")
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        let address = answer.header(header::LOCATION).to_owned();
        let page = console.get(&address).await.body;
        assert_holds(
            &page,
            &[
                "QUEUED",
                "//:web",
                "ada@example.org",
                "id=\"cancel\"",
                "name=\"service\"",
            ],
        );
        assert_holds(&page, &["id=\"deploy\" disabled", "It waits for a worker"]);

        let answer = console
            .submit(Box::leak(format!("{address}/cancel").into_boxed_str()), "")
            .await;
        assert_eq!(answer.header(header::LOCATION), address);
        let page = console.get(&address).await.body;
        assert_holds(&page, &["CANCELLED", "cancelled by ada@example.org"]);
        assert!(!page.contains("id=\"cancel\""));
    });
}

#[test]
fn a_form_that_is_refused_comes_back_with_the_reason_and_what_was_written() {
    on_console(async |console| {
        let form = "repository=here&revision=-%22%3E%3Cscript%3E&target=%2F%2F%3Aghost";
        let answer = console.submit("/builds", form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_holds(&answer.body, &["role=\"alert\"", "//:ghost"]);
        assert!(!answer.body.contains("\"><script>"), "{}", answer.body);

        let form = "repository=here&revision=main&target=%2F%2F%3Aghost";
        let answer = console.submit("/builds", form).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_holds(
            &answer.body,
            &["has no target //:ghost", "use one of //:other, //:web"],
        );
    });
}

#[test]
fn a_build_that_has_succeeded_is_deployed_with_a_button() {
    on_console(async |console| {
        let build = console.built(TARGET).await;
        let page = console.get(&format!("/builds/{build}")).await.body;
        assert_holds(
            &page,
            &[
                "SUCCEEDED",
                "<option>web</option>",
                "Checkout",
                "Hash and upload",
                "5.0 MiB",
            ],
        );
        assert_holds(&page, &["<button id=\"deploy\" aria-describedby"]);

        let path = Box::leak(format!("/builds/{build}/deploy").into_boxed_str());
        let answer = console.submit(path, "service=web").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        let address = answer.header(header::LOCATION).to_owned();
        console
            .post_as(MANAGER, "/v1/regions/east/report", &report(1, TaskState::Healthy))
            .await;
        let page = console.get(&address).await.body;
        assert_holds(
            &page,
            &[
                "release 1",
                "PENDING",
                "1 of 1",
                "east-1",
                "HEALTHY",
                "4.0 MiB",
                "100 %",
            ],
        );
        assert_holds(&console.get("/deployments").await.body, &["web", "PENDING"]);
        assert_holds(
            &console.get("/services").await.body,
            &["release 1", "web --loud", "/healthz"],
        );
        assert_holds(
            &console.get("/").await.body,
            &["REPORTING", "1 host<", "SUCCEEDED"],
        );
    });
}

#[test]
fn hostile_text_in_a_log_or_a_reason_stays_text() {
    on_console(async |console| {
        let build = console.enqueue(TARGET).await;
        let claim = console.claim().await;
        console
            .jobs
            .begin_phase(build, claim.lease, Phase::Build)
            .await
            .unwrap();
        let log = b"<script>alert(1)</script>\n\x1b[31mred\x1b[0m & \"quoted\"\nhalf";
        console.jobs.append_log(build, claim.lease, 1, log).await.unwrap();
        console
            .jobs
            .fail(build, claim.lease, "<img src=x onerror=alert(2)>")
            .await
            .unwrap();
        let page = console.get(&format!("/builds/{build}")).await.body;
        assert!(
            !page.contains("<script>alert") && !page.contains("<img src=x"),
            "{page}"
        );
        assert_holds(
            &page,
            &[
                "alert(1)",
                "<span class=\"f1\">red</span> &#38; &#34;quoted&#34;",
                "id=\"L3\"",
                "half",
                BuildState::Failed.as_str(),
            ],
        );

        let plain = console.get(&format!("/v1/builds/{build}/log?from=26")).await;
        assert!(plain.body.starts_with("\u{1b}[31mred"), "{plain:?}");
        assert_eq!(plain.header(header::CONTENT_TYPE), "text/plain; charset=utf-8");
        assert_eq!(plain.header(LOG_NEXT_HEADER), log.len().to_string());
        assert_eq!(plain.header(LOG_FINISHED_HEADER), "true");
        let whole = console.get(&format!("/builds/{build}/log")).await;
        assert_eq!(whole.body.as_bytes(), log);
    });
}

/// What a browser accepts when somebody follows a link.
const BROWSER: &str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";

#[test]
fn an_address_that_names_nothing_says_so() {
    on_console(async |console| {
        let nil = uuid::Uuid::nil();
        for path in [format!("/builds/{nil}"), format!("/deployments/{nil}")] {
            let answer = console.get_with(&path, "accept", BROWSER).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
            assert_holds(&answer.body, &["That did not work", &nil.to_string()]);
        }
        let ship = format!("/builds/{nil}/ship");
        for path in ["/ghosts", "/builds/not-an-id", &ship] {
            let answer = console.get_with(path, "accept", BROWSER).await;
            assert!(answer.status.is_client_error(), "{answer:?}");
            assert_holds(&answer.body, &["That did not work"]);
            assert_eq!(answer.header(header::CONTENT_TYPE), "text/html; charset=utf-8");
        }
        // A program reads the same as JSON, and of the API everybody does.
        assert!(console.get("/ghosts").await.refusal().contains("not_found"));
        let answer = console.get_with("/v1/ghosts", "accept", BROWSER).await;
        assert!(answer.refusal().contains("not_found"), "{answer:?}");
        let answer = console.get("/v1/builds/not-an-id").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
        assert_eq!(console.get("/v1/ghosts").await.status, StatusCode::NOT_FOUND);
        let answer = console
            .ask(as_engineer(Request::delete("/v1/builds")), Body::empty())
            .await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    });
}

#[test]
fn logging_out_takes_the_cookie_away() {
    on_console(async |console| {
        let answer = console.submit("/logout", "").await;
        assert_eq!(answer.header(header::LOCATION), "/login");
        let cookie = answer.header(header::SET_COOKIE);
        assert!(
            cookie.contains("Max-Age=0") && !cookie.contains(ENGINEER),
            "{cookie}"
        );
    });
}

#[test]
fn workers_are_listed_with_what_they_run_and_what_waits_for_them() {
    on_console(async |console| {
        let id = console.enqueue(TARGET).await;
        console.enqueue("//:other").await;
        let claim = console.claim().await;
        let beat = database::jobs::Heartbeat {
            worker: "worker-1".parse().unwrap(),
            version: "1.2.3".to_owned(),
            host: "machine".to_owned(),
            capacity: 4,
            leases: vec![claim.lease],
        };
        console.jobs.heartbeat(&beat).await.unwrap();
        let list: console::wire::WorkerList = console.get("/v1/workers").await.json();
        let [worker] = list.workers.as_slice() else {
            panic!("{list:?}")
        };
        assert_eq!(
            (worker.version.as_str(), worker.host.as_str()),
            ("1.2.3", "machine")
        );
        assert_eq!(
            (worker.running[0].id, worker.running[0].target.as_str()),
            (id, TARGET)
        );
        let demand = list.demand;
        assert_eq!((demand.queued, demand.ready, demand.running), (1, 1, 1));
        assert_eq!((demand.slots, demand.slots_wanted), (4, 2));
        assert!(demand.oldest_wait_seconds.unwrap() >= 0.0);
    });
}

#[test]
fn regions_are_listed_with_how_long_artifacts_take_to_them() {
    on_console(async |console| {
        let before: console::wire::RegionList = console.get("/v1/regions").await.json();
        assert!(
            before.regions.iter().all(|region| region.replication.is_none()),
            "{before:?}"
        );
        let artifact = database::builds::Artifact {
            id: model::ArtifactId([7; 32]),
            build: model::BuildId(uuid::Uuid::now_v7()),
            repository: "here".parse().unwrap(),
            commit: format!("{:040x}", 1).parse().unwrap(),
            target: TARGET.parse().unwrap(),
            total_bytes: 1,
        };
        console.builds.record_artifact(&artifact).await.unwrap();
        let name = &before.regions[0].summary.name;
        console.builds.replica_verified(&artifact.id, name).await.unwrap();
        let after: console::wire::RegionList = console.get("/v1/regions").await.json();
        let times = after.regions[0].replication.unwrap();
        assert_eq!((times.replicas, times.within_promise), (1, 1.0));
        assert!(times.max_seconds < times.promise_seconds, "{times:?}");
    });
}
