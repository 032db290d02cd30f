//! Programs that take part without an agent of ours, over HTTP.

use crate::support::{Answer, Console, on_console};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use console::wire::{Instance, InstanceList, InstanceRegistered, JoinTokenCreated};
use model::InstanceHealth;
use serde_json::{Value, json};

const INSTANCES: &str = "/v1/inventory/instances";

async fn token(console: &Console) -> String {
    let wanted = json!({"region": "east", "role": "INSTANCE"});
    let answer = console.post("/v1/join-tokens", &wanted).await;
    answer.json::<JoinTokenCreated>().secret
}

/// Programs have no engineer's token.
async fn send(console: &Console, request: axum::http::request::Builder, body: &Value) -> Answer {
    let request = request.header(header::CONTENT_TYPE, "application/json");
    console.ask(request, Body::from(body.to_string())).await
}

async fn register(console: &Console, body: &Value) -> Answer {
    send(console, Request::post(format!("{INSTANCES}/register")), body).await
}

async fn registered(console: &Console, name: &str) -> InstanceRegistered {
    let token = token(console).await;
    let wanted = json!({"name": name, "ip": "10.1.2.3", "labels": {"role": "db"}, "token": token});
    let answer = register(console, &wanted).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

async fn beat(console: &Console, name: &str, secret: &str, body: &Value) -> Answer {
    let request = Request::patch(format!("{INSTANCES}/{name}"));
    let request = request.header(header::AUTHORIZATION, format!("Bearer {secret}"));
    send(console, request, body).await
}

#[test]
fn a_program_registers_says_how_it_is_and_is_listed() {
    on_console(async |console| {
        let InstanceRegistered { id, secret, .. } = registered(&console, "db-1").await;
        let word = json!({
            "sequence": 1, "code_version": "v1.2", "configuration_version": "7", "status": 1,
            "sent_at": "2999-01-01T00:00:00Z",
        });
        let answer = beat(&console, "db-1", &secret, &word).await;
        assert_eq!(answer.json::<Value>(), json!({"sequence": 1, "repeated": false}));
        let by_id = json!({"sequence": 2, "status": "DEGRADED"});
        let answer = beat(&console, &id.to_string(), &secret, &by_id).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");

        let list: InstanceList = console
            .get(&format!("{INSTANCES}?label=role=db&label=region"))
            .await
            .json();
        let [instance] = &list.instances[..] else {
            panic!("{list:?}")
        };
        assert_eq!((instance.id, instance.status), (id, InstanceHealth::Degraded));
        assert_eq!(instance.code_version.as_ref().unwrap().as_str(), "v1.2");
        assert!(
            instance.silent_seconds.unwrap() < 60.0,
            "the server's clock counts"
        );
        let none: InstanceList = console.get(&format!("{INSTANCES}?status=FAILED")).await.json();
        assert_eq!(none.instances, []);
        let page = console.get("/instances?label=role%3Ddb&status=DEGRADED").await;
        assert!(
            page.body.contains("db-1") && page.body.contains("v1.2"),
            "{}",
            page.body
        );
    });
}

#[test]
fn nobody_speaks_for_another_instance() {
    on_console(async |console| {
        let one = registered(&console, "db-1").await;
        let other = registered(&console, "db-2").await;
        let word = json!({"sequence": 1, "status": 3});
        for secret in [
            other.secret.as_str(),
            "",
            "starling-instance-00",
            crate::support::ENGINEER,
        ] {
            let answer = beat(&console, "db-1", secret, &word).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{secret}: {answer:?}");
        }
        let answer = beat(&console, "nobody", &one.secret, &word).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
        let instance: Instance = console.get(&format!("{INSTANCES}/db-1")).await.json();
        assert_eq!(
            (instance.status, instance.silent_seconds),
            (InstanceHealth::Unknown, None)
        );
    });
}

#[test]
fn what_is_wrong_with_a_registration_or_a_heartbeat_is_said() {
    on_console(async |console| {
        let good = json!({"name": "db-1", "ip": "10.1.2.3", "token": token(&console).await});
        for (field, value, part) in [
            ("name", json!("DB"), "not a valid host name"),
            (
                "name",
                json!("0193a5c2-0000-7000-8000-000000000000"),
                "identifier",
            ),
            ("ip", json!("somewhere"), "IP address"),
            ("labels", json!({"region": "west"}), "cannot be set"),
            ("token", json!("x"), "join token"),
            ("colour", json!("blue"), "unknown field"),
        ] {
            let mut wanted = good.clone();
            wanted[field] = value;
            let answer = register(&console, &wanted).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
            assert!(answer.refusal().contains(part), "{}", answer.refusal());
        }
        let secret = register(&console, &good)
            .await
            .json::<InstanceRegistered>()
            .secret;
        for (word, part) in [
            (json!({"status": 4}), "FAILED (3)"),
            (json!({"status": "FINE"}), "FAILED (3)"),
            (json!({"sequence": 0}), "sequence"),
            (json!({"sequence": 9_007_199_254_740_992_u64}), "sequence"),
            (json!({"code_version": "a b"}), "version"),
        ] {
            let answer = beat(&console, "db-1", &secret, &word).await;
            assert!(answer.refusal().contains(part), "{}", answer.refusal());
        }
    });
}

#[test]
fn a_late_heartbeat_is_told_the_number_to_go_on_from() {
    on_console(async |console| {
        let secret = registered(&console, "db-1").await.secret;
        beat(&console, "db-1", &secret, &json!({"sequence": 9, "status": 1})).await;
        let repeated = beat(&console, "db-1", &secret, &json!({"sequence": 9, "status": 1})).await;
        assert_eq!(repeated.json::<Value>(), json!({"sequence": 9, "repeated": true}));
        let late = beat(&console, "db-1", &secret, &json!({"sequence": 1, "status": 3})).await;
        insta::assert_snapshot!(late.refusal(), @r"
        409 heartbeat_late
        heartbeat 1 comes after heartbeat 9
        nothing is lost; a program that began anew counts on from the number that was heard last
        ");
        let instance: Instance = console.get(&format!("{INSTANCES}/db-1")).await.json();
        assert_eq!(instance.status, InstanceHealth::Healthy);
    });
}

#[test]
fn a_retired_instance_is_refused_and_says_why_it_was_retired() {
    on_console(async |console| {
        let secret = registered(&console, "db-1").await.secret;
        beat(&console, "db-1", &secret, &json!({"sequence": 1, "status": 1})).await;
        let path = format!("{INSTANCES}/db-1/retire");
        let retired: Instance = console.post(&path, &json!({"reason": "sold"})).await.json();
        assert_eq!(retired.retired_reason.as_deref(), Some("sold"));
        let answer = beat(&console, "db-1", &secret, &json!({"sequence": 2, "status": 1})).await;
        assert_eq!(answer.status, StatusCode::GONE, "{answer:?}");
        let path = format!("{INSTANCES}/{}/retire", retired.id);
        let again: Instance = console.post(&path, &json!({"reason": "twice"})).await.json();
        assert_eq!(
            (again.retired_at, again.retired_reason),
            (retired.retired_at, retired.retired_reason)
        );
        assert_eq!(again.status, InstanceHealth::Unknown);
        let unknown = console
            .post(&format!("{INSTANCES}/db-1/retire"), &json!({"reason": "x"}))
            .await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    });
}
