//! A mark on a process, given before it is started.

use serde::{Deserialize, Serialize};
use std::io;

/// The variable that carries the mark into the process.
pub(super) const VARIABLE: &str = "STARLING_LAUNCH";

/// Names one start of one process for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LaunchId(String);

impl LaunchId {
    /// A new one, from the kernel's random numbers (random(4)).
    pub fn new() -> io::Result<Self> {
        let id = fs_err::read_to_string("/proc/sys/kernel/random/uuid")?;
        Ok(Self(id.trim().to_owned()))
    }

    /// The mark itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a process's variables, each ended by NUL (proc(5), `environ`), hold this mark.
    pub(super) fn is_in(&self, environment: &[u8]) -> bool {
        let marked = format!("{VARIABLE}={}", self.0);
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == marked.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_as_a_whole_variable_only() {
        let id = LaunchId::new().unwrap();
        assert_ne!(id, LaunchId::new().unwrap());
        let variables = |name: &str| format!("A=1\0{name}={}\0B=2\0", id.as_str()).into_bytes();
        assert!(id.is_in(&variables(VARIABLE)));
        assert!(!id.is_in(&variables("MY_STARLING_LAUNCH")));
        assert!(!id.is_in(b""));
    }
}
