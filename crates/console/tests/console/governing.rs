//! Policies and the audit trail, over HTTP.

use crate::support::on_console;
use axum::http::StatusCode;
use console::wire::{AuditList, AuditVerified, PolicyInForce, PolicyList};
use serde_json::json;

#[test]
fn a_policy_is_added_listed_ended_and_both_are_in_the_trail() {
    on_console(async |console| {
        let freeze = json!({
            "kind": "FREEZE", "scope": {"service": "web"}, "reason": "holidays",
            "from": "2020-01-01T00:00:00Z", "until": "2999-01-01T00:00:00Z",
        });
        let answer = console.post("/v1/policies", &freeze).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let kept: PolicyInForce = answer.json();
        let list: PolicyList = console.get("/v1/policies").await.json();
        assert_eq!(list.policies, std::slice::from_ref(&kept));
        let page = console.get("/audit").await;
        assert!(
            page.body.contains("web is frozen from 2020-01-01"),
            "{}",
            page.body
        );

        let path = format!("/v1/policies/{}/end", kept.id);
        console.post(&path, &()).await.json::<PolicyInForce>();
        let again = console.post(&path, &()).await;
        assert_eq!(again.status, StatusCode::NOT_FOUND);
        let trail: AuditList = console.get("/v1/audit").await.json();
        let told: Vec<_> = trail
            .entries
            .iter()
            .map(|row| (row.entry.number, row.entry.action.as_str()))
            .collect();
        assert_eq!(told, [(2, "policy.end"), (1, "policy.add")]);
        let verified: AuditVerified = console.get("/v1/audit/verification").await.json();
        assert_eq!(
            (verified.entries, verified.link),
            (2, trail.entries[0].link.clone())
        );
    });
}

#[test]
fn consent_is_given_in_nobody_elses_name() {
    on_console(async |console| {
        let approval = json!({
            "kind": "APPROVAL", "actor": "bob", "subject": {"service": "web"},
            "build": "0193a5c2-0000-7000-8000-000000000000", "until": "2999-01-01T00:00:00Z",
        });
        let kept: PolicyInForce = console.post("/v1/policies", &approval).await.json();
        let policy::Policy::Approval(approval) = kept.policy else {
            panic!("{kept:?}")
        };
        assert_eq!(approval.actor.as_str(), "ada@example.org");
    });
}

#[test]
fn a_policy_that_means_nothing_is_refused() {
    on_console(async |console| {
        for (policy, part) in [
            (
                json!({"kind": "FREEZE", "from": "2020-01-02T00:00:00Z", "until": "2020-01-01T00:00:00Z", "reason": "x"}),
                "ends after it begins",
            ),
            (
                json!({"kind": "FREEZE", "from": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z", "reason": " "}),
                "say why",
            ),
            (json!({"kind": "APPROVAL_RULE", "approvals": 0}), "1 to 10"),
            (json!({"kind": "CURFEW"}), "CURFEW"),
        ] {
            let answer = console.post("/v1/policies", &policy).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
            assert!(answer.refusal().contains(part), "{}", answer.refusal());
        }
    });
}
