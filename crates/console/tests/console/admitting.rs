//! Who is let in, and from where.

use crate::support::{ENGINEER, MANAGER, on_console};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::json;

#[test]
fn nothing_but_the_login_and_static_files_opens_without_a_token() {
    on_console(async |console| {
        for path in [
            "/",
            "/builds",
            "/builds/live",
            "/v1/builds",
            "/v1/overview",
            "/v1/nothing",
            "/nothing",
            "/services",
            "/deployments/x",
        ] {
            let answer = console.ask(Request::get(path), Body::empty()).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
            let wrong = Request::get(path).header(header::AUTHORIZATION, "Bearer guess");
            assert_eq!(
                console.ask(wrong, Body::empty()).await.status,
                StatusCode::UNAUTHORIZED,
                "{path}"
            );
        }
        let login = console.ask(Request::get("/login"), Body::empty()).await;
        assert_eq!(login.status, StatusCode::OK);
        let style = login
            .body
            .split('"')
            .find(|part| part.ends_with("console.css"))
            .unwrap();
        let style = console.ask(Request::get(style), Body::empty()).await;
        assert_eq!(style.header(header::CONTENT_TYPE), "text/css; charset=utf-8");
    });
}

#[test]
fn somebody_who_looks_at_a_page_is_led_to_the_login_and_back() {
    on_console(async |console| {
        let page = Request::get("/builds?before=x").header(header::ACCEPT, "text/html,*/*");
        let answer = console.ask(page, Body::empty()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.header(header::LOCATION), "/login?next=/builds");

        let link = format!("/login?token={ENGINEER}&next=/builds");
        let answer = console.ask(Request::get(link), Body::empty()).await;
        assert_eq!(answer.header(header::LOCATION), "/builds");
        let cookie = answer.header(header::SET_COOKIE);
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
            "{cookie}"
        );
        let with_cookie = Request::get("/builds").header(header::COOKIE, cookie.split(';').next().unwrap());
        assert_eq!(
            console.ask(with_cookie, Body::empty()).await.status,
            StatusCode::OK
        );
    });
}

#[test]
fn a_token_that_is_wrong_or_a_regions_opens_no_page() {
    on_console(async |console| {
        for secret in ["guess", MANAGER] {
            let answer = console
                .ask(Request::get(format!("/login?token={secret}")), Body::empty())
                .await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
            assert_eq!(answer.header(header::SET_COOKIE), "");
        }
        let as_manager =
            Request::get("/v1/builds").header(header::AUTHORIZATION, format!("Bearer {MANAGER}"));
        let answer = console.ask(as_manager, Body::empty()).await;
        insta::assert_snapshot!(answer.refusal(), @"
        403 forbidden
        this token may not do that
        use a token whose role opens this address
        ");
    });
}

#[test]
fn another_sites_page_can_press_no_button_here() {
    on_console(async |console| {
        let form = || {
            Request::post("/builds")
                .header(header::COOKIE, format!("starling={ENGINEER}"))
                .header(header::HOST, "console.example")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        };
        for request in [
            form().header(header::ORIGIN, "https://evil.example"),
            form().header("sec-fetch-site", "cross-site"),
            form().header(header::ORIGIN, "null"),
        ] {
            let body = "repository=here&revision=main&target=//:web";
            let answer = console.ask(request, Body::from(body)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
        }
        assert!(console.jobs.list_builds(10, None).await.unwrap().is_empty());
    });
}

#[test]
fn every_answer_tells_the_browser_what_it_may_not_do() {
    on_console(async |console| {
        for path in ["/login", "/builds", "/v1/builds", "/nothing"] {
            let answer = console.get(path).await;
            let policy = answer.header(header::CONTENT_SECURITY_POLICY);
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self'"),
                "{path}: {policy}"
            );
            assert!(!policy.contains("unsafe"), "{path}: {policy}");
            assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
            assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{path}");
        }
    });
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    on_console(async |console| {
        let long = "x".repeat(100_000);
        let answer = console
            .post("/v1/repositories", &json!({"name": "a", "url": long}))
            .await;
        insta::assert_snapshot!(answer.refusal(), @"
        413 too_large
        the request is larger than this address takes
        send less at once
        ");
    });
}
