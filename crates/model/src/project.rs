//! `starling.toml`: what a repository says can be built from it and run.

use crate::inputs::InputPattern;
use crate::limits::LimitRequest;
use crate::{CacheName, SecretName, ServiceName, ServiceSpec, Target, VersionRules, service};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// What builds are called.
    #[serde(default)]
    pub versions: VersionRules,
}

/// What a target is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// Its outputs make an artifact, which can be deployed.
    #[default]
    Artifact,
    /// Its command says by its exit code whether all is well, and makes nothing that is kept.
    Test,
}

/// How one target is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSpec {
    /// The program and its arguments, run in the target's folder. Never a shell line; write
    /// `["sh", "-c", "…"]` where a shell is wanted.
    pub command: Vec<String>,
    /// What it is for.
    #[serde(default)]
    pub kind: TargetKind,
    /// Files and folders that make the artifact, relative to the target's folder. A test has none.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// The files of the commit that the command needs. Where they are named, it finds these and no others,
    /// and a commit that changes none of them yields what was built from the same files before. Everything,
    /// where nothing is named.
    #[serde(default)]
    pub inputs: Vec<InputPattern>,
    /// Folders that the target's builds find again on the same worker, below the folder that the variable
    /// `STARLING_CACHES` names. They may be empty at any time.
    #[serde(default)]
    pub caches: BTreeSet<CacheName>,
    /// Variables of the command.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Secrets that the command gets as variables of these names, where the worker's operator allows it.
    #[serde(default)]
    pub secrets: BTreeSet<SecretName>,
    /// After this long the build is killed and FAILED.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u32,
    /// Whether the command may use the network.
    #[serde(default)]
    pub network: bool,
    /// Whether the command finds the commit's submodules; they are empty folders otherwise.
    #[serde(default, skip_serializing_if = "is_false")]
    pub submodules: bool,
    /// What the command may use of the worker's machine, up to the worker's own most.
    #[serde(default)]
    pub limits: LimitRequest,
    /// Whether the command finds the large files that git keeps pointers to (git LFS); it finds the pointers otherwise,
    /// and in submodules always.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lfs: bool,
    /// The container image to build in. Refused, with what to do instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// What is left out where it is not asked for, so that the names of inputs stay what they were.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
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
    /// Rules that no build could be called by.
    #[error("starling.toml: {0}")]
    Versions(String),
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
        project
            .versions
            .validate()
            .map_err(InvalidProjectFile::Versions)?;
        Ok(project)
    }
}

impl TargetSpec {
    fn validate(&self) -> Result<(), String> {
        if self.command.first().is_none_or(String::is_empty) {
            return Err("`command` is empty".to_owned());
        }
        match self.kind {
            TargetKind::Artifact if self.outputs.is_empty() => {
                return Err("`outputs` is empty: name at least one file or folder".to_owned());
            }
            TargetKind::Test if !self.outputs.is_empty() => {
                return Err("a test makes no artifact: leave `outputs` out".to_owned());
            }
            _ => {}
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
        let mut texts = self.command.iter().chain(self.environment.values());
        if texts.any(|text| text.contains('\0')) {
            return Err("an argument or variable holds a NUL, which no program could be given".to_owned());
        }
        if let Some(name) = self
            .secrets
            .iter()
            .find(|name| self.environment.contains_key(name.as_str()))
        {
            return Err(format!("{name} is both a variable and a secret"));
        }
        let counts = [
            self.command.len(),
            self.outputs.len(),
            self.environment.len(),
            self.secrets.len(),
            self.inputs.len(),
            self.caches.len(),
        ];
        if counts.iter().any(|&count| count > service::SPEC_ITEMS_MAX) {
            return Err(format!(
                "at most {} arguments, outputs, variables, secrets, inputs and caches each",
                service::SPEC_ITEMS_MAX
            ));
        }
        self.refuse_what_is_not_there()?;
        if !(1..=24 * 3600).contains(&self.timeout_seconds) {
            return Err("`timeout_seconds` is 1 to 86400".to_owned());
        }
        self.limits.validate()
    }
}

impl TargetSpec {
    /// Says no in words to what other build systems have and this one has not.
    fn refuse_what_is_not_there(&self) -> Result<(), String> {
        if self.image.is_some() {
            return Err(
                "`image` is not supported: builds find the tools that the worker's operator gives them; \
                 fetch others in `command`, with `network = true` and a cache"
                    .to_owned(),
            );
        }
        if self.submodules && !self.inputs.is_empty() {
            return Err(
                "`submodules` are not among `inputs`: leave one of the two out, or a change would be missed"
                    .to_owned(),
            );
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
    fn a_test_has_no_outputs_and_an_artifact_has_some() {
        let with = |kind: &str, outputs: &str| {
            let text = format!("[targets.\"//a:t\"]\ncommand = [\"x\"]\nkind = \"{kind}\"\n{outputs}");
            ProjectFile::parse(&text).map_err(|error| error.to_string())
        };
        let outputs = "outputs = [\"x\"]\n";
        assert!(with("artifact", outputs).is_ok() && with("test", "").is_ok());
        let error = with("artifact", "").unwrap_err();
        assert!(error.contains("`outputs` is empty"), "{error}");
        let error = with("test", outputs).unwrap_err();
        assert!(error.contains("makes no artifact"), "{error}");
    }

    #[test]
    fn what_is_not_supported_is_refused_with_what_to_do_instead() {
        for (extra, expected) in [
            (
                "image = \"rust:1\"",
                "the tools that the worker's operator gives them",
            ),
            (
                "submodules = true\ninputs = [\"src\"]",
                "leave one of the two out",
            ),
        ] {
            let text = GOOD.replacen("outputs = ", &format!("{extra}\noutputs = "), 1);
            let error = ProjectFile::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let text = GOOD.replacen("outputs = ", "submodules = true\nlfs = true\noutputs = ", 1);
        let project = ProjectFile::parse(&text).unwrap();
        let target = &project.targets[&"//a:b".parse().unwrap()];
        assert!(target.submodules && target.lfs);
        let plain = toml::to_string(&ProjectFile::parse(GOOD).unwrap()).unwrap();
        let named_as_before = !plain.contains("submodules") && !plain.contains("lfs");
        assert!(named_as_before, "{plain}");
    }

    #[test]
    fn everything_that_a_target_may_say_is_read_back_as_it_was_written() {
        let text = r#"
[targets."//a:b"]
command = ["make"]
outputs = ["out/b"]
inputs = ["src", "//Cargo.lock", "**/*.rs"]
caches = ["cargo"]
secrets = ["NPM_TOKEN"]
environment = { CI = "1" }
network = true
timeout_seconds = 60
[targets."//a:b".limits]
memory = "2GiB"
cpus = 1.5
processes = 100
disk = "512 MiB"
"#;
        let project = ProjectFile::parse(text).unwrap();
        let written = toml::to_string(&project).unwrap();
        assert_eq!(ProjectFile::parse(&written), Ok(project));
    }

    #[test]
    fn a_text_that_would_end_early_is_refused() {
        for extra in [
            "environment = { A = \"x\\u0000--bind\" }",
            "command = [\"make\", \"\\u0000\"]",
        ] {
            let text = GOOD.replacen("command = [\"make\"]", "", 1);
            let command = if extra.starts_with("command") {
                ""
            } else {
                "command = [\"make\"]\n"
            };
            let text = text.replacen("outputs = ", &format!("{command}{extra}\noutputs = "), 1);
            let error = ProjectFile::parse(&text).unwrap_err().to_string();
            assert!(error.contains("holds a NUL"), "{error}");
        }
    }

    #[test]
    fn a_secret_is_no_variable_as_well() {
        let extra = "outputs = [\"out/b\"]\nsecrets = [\"CI\"]\nenvironment = { CI = \"1\" }";
        let text = GOOD.replacen("outputs = [\"out/b\"]", extra, 1);
        let error = ProjectFile::parse(&text).unwrap_err().to_string();
        assert!(error.contains("CI is both a variable and a secret"), "{error}");
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
