//! How the agent asks whether a task is healthy.

use super::{InvalidServiceSpec, is_inside, start_of};
use serde::{Deserialize, Serialize};

/// A question that the agent asks a task again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// What is asked.
    pub kind: CheckKind,
    /// For [`CheckKind::Http`] the path to ask, beginning with `/`.
    pub path: String,
    /// For [`CheckKind::Command`] the program, a path inside the artifact, and its arguments.
    pub command: Vec<String>,
    /// The time between two checks.
    pub interval_ms: u32,
    /// How long one answer may take.
    pub timeout_ms: u32,
    /// How many good answers in a row make a task healthy.
    pub healthy_after: u32,
    /// The least time from the first of these answers to the last.
    pub min_healthy_ms: u32,
    /// How many bad answers in a row make a healthy task unhealthy.
    pub unhealthy_after: u32,
}

/// What a health check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// `GET http://127.0.0.1:PORT{path}`; any status from 200 to 299 is good.
    #[default]
    Http,
    /// A connection to the port; good once it stands.
    Tcp,
    /// A program of the release, told the port; an exit code of 0 is good.
    Command,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            kind: CheckKind::Http,
            path: "/healthz".to_owned(),
            command: Vec::new(),
            interval_ms: 500,
            timeout_ms: 2_000,
            healthy_after: 2,
            min_healthy_ms: 0,
            unhealthy_after: 3,
        }
    }
}

impl HealthCheck {
    pub(super) fn validate(&self) -> Result<(), InvalidServiceSpec> {
        let path_ok = self.path.starts_with('/')
            && self.path.len() <= 1024
            && self.path.bytes().all(|b| b.is_ascii_graphic());
        if !path_ok {
            return Err(InvalidServiceSpec::Health("path"));
        }
        match (self.kind, self.command.first()) {
            (CheckKind::Command, None) => return Err(InvalidServiceSpec::Health("command")),
            (CheckKind::Command, Some(program)) if !is_inside(program) => {
                return Err(InvalidServiceSpec::CheckOutside(start_of(program)));
            }
            (CheckKind::Http | CheckKind::Tcp, Some(_)) => return Err(InvalidServiceSpec::Health("kind")),
            _ => {}
        }
        if !(50..=600_000).contains(&self.interval_ms) {
            return Err(InvalidServiceSpec::Health("interval_ms"));
        }
        if !(10..=600_000).contains(&self.timeout_ms) {
            return Err(InvalidServiceSpec::Health("timeout_ms"));
        }
        if self.min_healthy_ms > 3_600_000 {
            return Err(InvalidServiceSpec::Health("min_healthy_ms"));
        }
        if !(1..=100).contains(&self.healthy_after) || !(1..=100).contains(&self.unhealthy_after) {
            return Err(InvalidServiceSpec::Health("healthy_after or unhealthy_after"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_was_written_before_there_were_kinds_asks_over_http() {
        let old =
            r#"{"path":"/up","interval_ms":500,"timeout_ms":100,"healthy_after":2,"unhealthy_after":3}"#;
        let check: HealthCheck = serde_json::from_str(old).unwrap();
        assert_eq!((check.kind, check.path.as_str()), (CheckKind::Http, "/up"));
        check.validate().unwrap();
    }

    #[test]
    fn a_command_belongs_to_the_kind_that_runs_it_and_stays_inside_the_artifact() {
        let check = |kind, command: &[&str]| HealthCheck {
            kind,
            command: command.iter().map(ToString::to_string).collect(),
            ..HealthCheck::default()
        };
        check(CheckKind::Command, &["bin/check", "--fast"])
            .validate()
            .unwrap();
        for (kind, command) in [
            (CheckKind::Command, &[][..]),
            (CheckKind::Command, &["/bin/true"]),
            (CheckKind::Command, &["../check"]),
            (CheckKind::Tcp, &["bin/check"]),
        ] {
            assert!(check(kind, command).validate().is_err(), "{kind:?} {command:?}");
        }
    }
}
