//! A service: a program that runs as tasks on many hosts.

use crate::Target;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most arguments, and the most environment variables, that a spec may give.
pub const SPEC_ITEMS_MAX: usize = 256;
/// The longest argument, variable name or value, in bytes.
pub const SPEC_TEXT_LENGTH_MAX: usize = 4096;

/// What a service runs and how its health is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// The target whose artifacts may be deployed to this service.
    pub target: Target,
    /// The program, a path inside the artifact, and its arguments. Never a shell line.
    pub command: Vec<String>,
    /// Variables of the process. Nothing else of the agent's environment reaches it but `PATH`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The variable that tells the process which port to listen on.
    #[serde(default = "default_port_variable")]
    pub port_variable: String,
    /// How the agent asks whether a task is healthy.
    #[serde(default)]
    pub health: HealthCheck,
    /// How long a task may take to end after SIGTERM before it is killed.
    #[serde(default = "default_stop_timeout_seconds")]
    pub stop_timeout_seconds: u32,
}

/// An HTTP check of `http://127.0.0.1:PORT{path}`; any status from 200 to 299 is healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// The path to ask, beginning with `/`.
    pub path: String,
    /// The time between two checks.
    pub interval_ms: u32,
    /// How long one answer may take.
    pub timeout_ms: u32,
    /// How many good answers in a row make a task healthy.
    pub healthy_after: u32,
    /// How many bad answers in a row make a healthy task unhealthy.
    pub unhealthy_after: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: "/healthz".to_owned(),
            interval_ms: 500,
            timeout_ms: 2_000,
            healthy_after: 2,
            unhealthy_after: 3,
        }
    }
}

fn default_port_variable() -> String {
    "PORT".to_owned()
}

const fn default_stop_timeout_seconds() -> u32 {
    10
}

/// Why a spec is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServiceSpec {
    /// There is no program to run.
    #[error("`command` is empty: give the program's path inside the artifact")]
    CommandMissing,
    /// The program would be looked for outside the artifact.
    #[error("`command` begins with {0:?}, which is not a relative path inside the artifact")]
    CommandOutside(String),
    /// More than a spec may hold.
    #[error(
        "a service may have at most {SPEC_ITEMS_MAX} arguments and {SPEC_ITEMS_MAX} variables, each of at most {SPEC_TEXT_LENGTH_MAX} bytes without NUL"
    )]
    TooLarge,
    /// A name that no environment can hold.
    #[error("{0:?} is not a variable name: use letters, digits and '_'")]
    VariableName(String),
    /// A check that could never be asked.
    #[error("`health.{0}` is out of range")]
    Health(&'static str),
    /// A stop that would never end.
    #[error("`stop_timeout_seconds` is at most 3600")]
    StopTimeout,
}

impl ServiceSpec {
    /// Checks what the types alone cannot.
    pub fn validate(&self) -> Result<(), InvalidServiceSpec> {
        let program = self.command.first().ok_or(InvalidServiceSpec::CommandMissing)?;
        let outside = program.is_empty()
            || program.starts_with('/')
            || program.split('/').any(|part| matches!(part, "" | "." | ".."));
        if outside {
            return Err(InvalidServiceSpec::CommandOutside(
                program.chars().take(80).collect(),
            ));
        }
        let texts = self
            .command
            .iter()
            .chain(self.environment.keys())
            .chain(self.environment.values());
        let text_ok = |text: &String| text.len() <= SPEC_TEXT_LENGTH_MAX && !text.contains('\0');
        if self.command.len() > SPEC_ITEMS_MAX
            || self.environment.len() > SPEC_ITEMS_MAX
            || !texts.into_iter().all(text_ok)
        {
            return Err(InvalidServiceSpec::TooLarge);
        }
        let mut variables = self.environment.keys().chain([&self.port_variable]);
        if let Some(bad) = variables.find(|name| !is_variable_name(name)) {
            return Err(InvalidServiceSpec::VariableName(bad.chars().take(80).collect()));
        }
        if self.stop_timeout_seconds > 3600 {
            return Err(InvalidServiceSpec::StopTimeout);
        }
        self.health.validate()
    }
}

impl HealthCheck {
    fn validate(&self) -> Result<(), InvalidServiceSpec> {
        let path_ok = self.path.starts_with('/')
            && self.path.len() <= 1024
            && self.path.bytes().all(|b| b.is_ascii_graphic());
        if !path_ok {
            return Err(InvalidServiceSpec::Health("path"));
        }
        if !(50..=600_000).contains(&self.interval_ms) {
            return Err(InvalidServiceSpec::Health("interval_ms"));
        }
        if !(10..=600_000).contains(&self.timeout_ms) {
            return Err(InvalidServiceSpec::Health("timeout_ms"));
        }
        if !(1..=100).contains(&self.healthy_after) || !(1..=100).contains(&self.unhealthy_after) {
            return Err(InvalidServiceSpec::Health("healthy_after or unhealthy_after"));
        }
        Ok(())
    }
}

/// Whether a text can name an environment variable (POSIX, base definitions, section 8.1).
pub fn is_variable_name(text: &str) -> bool {
    let start = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    start
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
