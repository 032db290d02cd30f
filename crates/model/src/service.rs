//! A service: a program that runs as tasks on many hosts.

mod cutover;
mod health;
mod limits;
mod program;
mod split;

pub use cutover::{Cutover, Overlap};
pub use health::{CheckKind, HealthCheck};
pub use limits::TaskLimits;
pub use program::Program;
pub use split::{STICKY_NAME_LENGTH_MAX, Split, Sticky};

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
    #[serde(default)]
    pub command: Vec<String>,
    /// In place of a command, an archive of one container image (as `docker save` writes it, or an OCI image layout), a
    /// path inside the artifact. The image says what is run.
    #[serde(default)]
    pub image: Option<String>,
    /// Variables of the process. Nothing else of the agent's environment reaches it but `PATH`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The variable that tells the process which port to listen on.
    #[serde(default = "default_port_variable")]
    pub port_variable: String,
    /// The port on each host at which the service's clients find it, whichever release runs: the host's proxy holds it.
    /// Without one, tasks are asked at their own ports.
    #[serde(default)]
    pub stable_port: Option<u16>,
    /// How the agent asks whether a task is healthy.
    #[serde(default)]
    pub health: HealthCheck,
    /// How long a task may take to end after SIGTERM before it is killed.
    #[serde(default = "default_stop_timeout_seconds")]
    pub stop_timeout_seconds: u32,
    /// Whether two releases may run at the same time on one host.
    #[serde(default)]
    pub overlap: Overlap,
    /// How one release takes over from the other where they overlap.
    #[serde(default)]
    pub cutover: Cutover,
    /// What one task may use.
    #[serde(default)]
    pub limits: TaskLimits,
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
    #[error("`command` is empty: give the program's path inside the artifact, or an `image`")]
    CommandMissing,
    /// There are two.
    #[error("`command` and `image` exclude each other: an image says itself what it runs")]
    CommandAndImage,
    /// The image would be looked for outside the artifact.
    #[error("`image` is {0:?}, which is not a relative path inside the artifact")]
    ImageOutside(String),
    /// A check's program would be looked for outside the image.
    #[error(
        "`health.kind` \"command\" runs a program of the artifact: ask a container by \"http\" or \"tcp\""
    )]
    CheckOfImage,
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
    /// A check's program would be looked for outside the artifact.
    #[error("`health.command` begins with {0:?}, which is not a relative path inside the artifact")]
    CheckOutside(String),
    /// A wait that would never end.
    #[error("`cutover.{0}` is out of range")]
    Cutover(&'static str),
    /// A split that could never be, or never end.
    #[error("`cutover.split.{0}` is out of range")]
    Split(&'static str),
    /// Nothing could be split.
    #[error(
        "`cutover.split` needs a `stable_port`, and `overlap = \"always\"`: it sends requests to two releases"
    )]
    SplitAlone,
    /// Limits that no program could live with.
    #[error("`limits.{0}` is too low")]
    Limits(&'static str),
    /// Nobody can listen there.
    #[error("`stable_port` is a port from 1 to 65535")]
    StablePort,
    /// A stop that would never end.
    #[error("`stop_timeout_seconds` is at most 3600")]
    StopTimeout,
}

impl ServiceSpec {
    /// A service of one program, with everything else as it usually is.
    pub fn new(target: Target, command: Vec<String>) -> Self {
        Self {
            target,
            command,
            image: None,
            environment: BTreeMap::new(),
            port_variable: default_port_variable(),
            stable_port: None,
            health: HealthCheck::default(),
            stop_timeout_seconds: default_stop_timeout_seconds(),
            overlap: Overlap::default(),
            cutover: Cutover::default(),
            limits: TaskLimits::default(),
        }
    }

    /// Checks what the types alone cannot.
    pub fn validate(&self) -> Result<(), InvalidServiceSpec> {
        self.program()?;
        let texts = self
            .command
            .iter()
            .chain(&self.image)
            .chain(&self.health.command)
            .chain(self.environment.keys())
            .chain(self.environment.values());
        let text_ok = |text: &String| text.len() <= SPEC_TEXT_LENGTH_MAX && !text.contains('\0');
        if self.command.len() > SPEC_ITEMS_MAX
            || self.health.command.len() > SPEC_ITEMS_MAX
            || self.environment.len() > SPEC_ITEMS_MAX
            || !texts.into_iter().all(text_ok)
        {
            return Err(InvalidServiceSpec::TooLarge);
        }
        let mut variables = self.environment.keys().chain([&self.port_variable]);
        if let Some(bad) = variables.find(|name| !is_variable_name(name)) {
            return Err(InvalidServiceSpec::VariableName(start_of(bad)));
        }
        if self.stop_timeout_seconds > 3600 {
            return Err(InvalidServiceSpec::StopTimeout);
        }
        if self.stable_port == Some(0) {
            return Err(InvalidServiceSpec::StablePort);
        }
        self.health.validate()?;
        self.cutover.validate()?;
        let two_at_once = self.stable_port.is_some() && self.overlap == Overlap::Always;
        if self.cutover.split.is_some() && !two_at_once {
            return Err(InvalidServiceSpec::SplitAlone);
        }
        self.limits.validate()
    }
}

/// Whether a program's path stays inside the artifact.
fn is_inside(program: &str) -> bool {
    !program.is_empty()
        && !program.starts_with('/')
        && !program.split('/').any(|part| matches!(part, "" | "." | ".."))
}

/// As much of a refused text as an error may repeat.
fn start_of(text: &str) -> String {
    text.chars().take(80).collect()
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
