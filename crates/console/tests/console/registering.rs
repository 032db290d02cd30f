//! Repositories and services.

use crate::support::{as_engineer, on_console};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use console::wire::{RepositoryList, Service};
use serde_json::{Value, json};

#[test]
fn an_address_that_git_could_misread_is_refused_before_git_sees_it() {
    on_console(async |console| {
        for url in [
            "ext::sh -c whoami",
            "--upload-pack=x",
            "-x",
            "https://a/\u{7}",
            "ssh://-oProxyCommand=x/y",
            "/etc",
        ] {
            let answer = console
                .post("/v1/repositories", &json!({"name": "evil", "url": url}))
                .await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{url}");
            assert!(
                answer.body.contains("invalid_repository_url"),
                "{url}: {}",
                answer.body
            );
        }
        let known: RepositoryList = console.get("/v1/repositories").await.json();
        let names: Vec<&str> = known.repositories.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["here"]);
        assert_eq!(known.repositories[0].actor.as_str(), "ada@example.org");
    });
}

#[test]
fn a_body_that_says_something_else_is_refused_with_the_field() {
    on_console(async |console| {
        let answer = console
            .post(
                "/v1/repositories",
                &json!({"name": "../etc", "url": "https://a/b"}),
            )
            .await;
        insta::assert_snapshot!(answer.refusal(), @r#"
        422 invalid_request
        name: "../etc" is not a valid repository name: use 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit
        correct it and send it again
        "#);
        let answer = console
            .post("/v1/repositories", &json!({"name": "a", "uri": "x"}))
            .await;
        insta::assert_snapshot!(answer.refusal(), @"
        422 invalid_request
        uri: unknown field `uri`, expected `name` or `url`
        correct it and send it again
        ");
    });
}

#[test]
fn a_service_is_stored_with_its_spec_and_a_spec_that_could_not_run_is_refused() {
    on_console(async |console| {
        let service: Service = console.get("/v1/services/web").await.json();
        assert_eq!(service.spec.command, ["web", "--loud"]);
        assert_eq!((service.release, service.deployment), (None, None));

        let put = async |spec: Value| {
            let request = as_engineer(Request::put("/v1/services/web"))
                .header(header::CONTENT_TYPE, "application/json");
            console.ask(request, Body::from(spec.to_string())).await
        };
        let answer = put(json!({"target": "//:web", "command": ["/bin/sh"]})).await;
        insta::assert_snapshot!(answer.refusal(), @r#"
        422 invalid_service
        `command` begins with "/bin/sh", which is not a relative path inside the artifact
        correct it and send it again
        "#);
        assert_eq!(
            put(json!({"target": "//:web", "command": ["web"]})).await.status,
            StatusCode::OK
        );
    });
}

#[test]
fn a_service_that_is_not_known_is_named() {
    on_console(async |console| {
        insta::assert_snapshot!(console.get("/v1/services/ghost").await.refusal(), @"
        404 unknown_service
        there is no service ghost
        register it with `starling service apply`, or correct the name ghost
        ");
    });
}
