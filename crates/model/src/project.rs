//! `starling.toml`: what a repository says can be built from it and run.

use crate::{ServiceName, ServiceSpec, Target, service};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The file's name, at the top of the repository.
pub const PROJECT_FILE: &str = "starling.toml";
/// The largest file that is read, in bytes.
pub const PROJECT_FILE_LENGTH_MAX: usize = 1024 * 1024;

/// A parsed and validated `starling.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectFile {
    /// What can be built, by label.
    #[serde(default)]
    pub targets: BTreeMap<Target, TargetSpec>,
    /// What can be run, by name; `starling service apply` registers these.
    #[serde(default)]
    pub services: BTreeMap<ServiceName, ServiceSpec>,
}

/// How one target is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSpec {
    /// The program and its arguments, run in the target's folder. Never a shell line; write
    /// `["sh", "-c", "…"]` where a shell is wanted.
    pub command: Vec<String>,
    /// Files and folders that make the artifact, relative to the target's folder.
    pub outputs: Vec<String>,
    /// Variables of the command.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// After this long the build is killed and FAILED.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u32,
    /// Whether the command may use the network.
    #[serde(default)]
    pub network: bool,
}

const fn default_timeout_seconds() -> u32 {
    15 * 60
}

/// What is wrong with a `starling.toml`, with the line where one is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProjectFile {
    /// More than is read.
    #[error("starling.toml is larger than {PROJECT_FILE_LENGTH_MAX} bytes")]
    TooLarge,
    /// Not TOML, or a key or value that has no meaning here.
    #[error("starling.toml, line {line}: {reason}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// The parser's words.
        reason: String,
    },
    /// Valid TOML that says something impossible.
    #[error("starling.toml, target {target}: {reason}")]
    Target {
        /// Which target.
        target: Target,
        /// What is wrong.
        reason: String,
    },
    /// A service that could not run.
    #[error("starling.toml, service {service}: {reason}")]
    Service {
        /// Which service.
        service: ServiceName,
        /// What is wrong.
        reason: service::InvalidServiceSpec,
    },
}

impl ProjectFile {
    /// Parses and validates the file's text.
    pub fn parse(text: &str) -> Result<Self, InvalidProjectFile> {
        if text.len() > PROJECT_FILE_LENGTH_MAX {
            return Err(InvalidProjectFile::TooLarge);
        }
        let project: Self = toml::from_str(text).map_err(|error| InvalidProjectFile::Syntax {
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            reason: error.message().to_owned(),
        })?;
        for (target, spec) in &project.targets {
            spec.validate().map_err(|reason| InvalidProjectFile::Target {
                target: target.clone(),
                reason,
            })?;
        }
        for (name, spec) in &project.services {
            spec.validate().map_err(|reason| InvalidProjectFile::Service {
                service: name.clone(),
                reason,
            })?;
        }
        Ok(project)
    }
}

impl TargetSpec {
    fn validate(&self) -> Result<(), String> {
        if self.command.first().is_none_or(String::is_empty) {
            return Err("`command` is empty".to_owned());
        }
        if self.outputs.is_empty() {
            return Err("`outputs` is empty: name at least one file or folder".to_owned());
        }
        if let Some(output) = self.outputs.iter().find(|output| !stays_inside(output)) {
            return Err(format!("output {output:?} leaves the target's folder"));
        }
        if let Some(name) = self
            .environment
            .keys()
            .find(|name| !service::is_variable_name(name))
        {
            return Err(format!("{name:?} is not a variable name"));
        }
        let counts = [self.command.len(), self.outputs.len(), self.environment.len()];
        if counts.iter().any(|&count| count > service::SPEC_ITEMS_MAX) {
            return Err(format!(
                "at most {} arguments, outputs and variables each",
                service::SPEC_ITEMS_MAX
            ));
        }
        if !(1..=24 * 3600).contains(&self.timeout_seconds) {
            return Err("`timeout_seconds` is 1 to 86400".to_owned());
        }
        Ok(())
    }
}

/// Whether a declared path is relative and has no `..`.
fn stays_inside(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// The line, counted from 1, of a byte offset.
fn line_of(text: &str, offset: usize) -> usize {
    let end = offset.min(text.len());
    1 + text.as_bytes()[..end]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[targets."//a:b"]
command = ["make"]
outputs = ["out/b"]

[services.b]
target = "//a:b"
command = ["out/b"]
"#;

    #[test]
    fn a_small_file_parses_with_defaults() {
        let project = ProjectFile::parse(GOOD).unwrap();
        let target = &project.targets[&"//a:b".parse().unwrap()];
        assert_eq!((target.timeout_seconds, target.network), (900, false));
        assert_eq!(project.services[&"b".parse().unwrap()].port_variable, "PORT");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let text = GOOD.replace("outputs =", "output =");
        let error = ProjectFile::parse(&text).unwrap_err().to_string();
        assert!(error.contains("line ") && error.contains("output"), "{error}");
    }

    #[test]
    fn malformed_toml_is_refused_with_its_line() {
        let error = ProjectFile::parse("[targets]\n\nx = = 1\n").unwrap_err();
        assert!(
            matches!(error, InvalidProjectFile::Syntax { line: 3, .. }),
            "{error}"
        );
    }

    #[test]
    fn an_output_that_leaves_the_tree_is_refused() {
        for path in ["../x", "/etc/passwd", "a/../../b", "", "./a"] {
            let text = GOOD.replacen("[\"out/b\"]", &format!("[{path:?}]"), 1);
            let error = ProjectFile::parse(&text).unwrap_err().to_string();
            assert!(error.contains("leaves the target's folder"), "{path}: {error}");
        }
    }
}
