//! The audit trail: who did what.

use super::frame::{self, Frame};
use crate::app::App;
use crate::extract::{Engineer, Query};
use crate::refusal::Refusal;
use crate::wire::{AuditList, LIST_LIMIT_DEFAULT, PolicyInForce};
use crate::{assets, format, read};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use policy::Policy;
use serde::Deserialize;
use serde_json::Value;

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    frame: Frame,
    list: AuditList,
    /// What counts now; only on the first page.
    policies: Vec<PolicyInForce>,
    now: Timestamp,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Position {
    before: Option<i64>,
}

/// `GET /audit`.
pub(crate) async fn page(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Query(Position { before }): Query<Position>,
) -> Result<Response, Refusal> {
    let policies = match before {
        None => read::policies(&app).await?.policies,
        Some(_) => Vec::new(),
    };
    let page = Page {
        frame: Frame::new("/audit", &actor),
        list: read::audit(&app, LIST_LIMIT_DEFAULT, before).await?,
        policies,
        now: Timestamp::now(),
    };
    Ok(frame::html(StatusCode::OK, &page))
}

/// What is known of an entry, name by name, without what is empty.
fn facts(detail: &Value) -> Vec<(String, String)> {
    let fields = detail.as_object().into_iter().flatten();
    let known = fields.filter_map(|(name, value)| {
        let words = match value {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            Value::Array(items) if items.is_empty() => return None,
            value => value.to_string(),
        };
        (!words.is_empty()).then(|| (name.replace('_', " "), words))
    });
    known.collect()
}

/// A policy in one line.
fn words(policy: &Policy) -> String {
    match policy {
        Policy::Freeze(freeze) => format!(
            "{} is frozen from {} until {}: {}",
            freeze.scope,
            format::moment(&freeze.from),
            format::moment(&freeze.until),
            freeze.reason
        ),
        Policy::Grant(grant) => {
            let role = match grant.role {
                policy::Role::Deploy => "deploy",
                policy::Role::Approve => "approve",
                policy::Role::Govern => "change policies of",
            };
            format!("{} may {role} {}", grant.actor, grant.scope)
        }
        Policy::ApprovalRule(rule) => format!("{} needs {} approvals", rule.scope, rule.approvals),
        Policy::Approval(approval) => format!(
            "{} approves build {} for {} until {}",
            approval.actor,
            approval.build,
            approval.subject,
            format::moment(&approval.until)
        ),
    }
}
