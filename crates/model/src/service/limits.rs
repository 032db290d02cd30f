//! What one task of a service may use of a host.

use super::InvalidServiceSpec;
use crate::ByteSize;
use crate::limits::{Cpus, MEMORY_MIN, PROCESSES_MIN};
use serde::{Deserialize, Serialize};

/// What all processes of one task together may use. What is absent is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaskLimits {
    /// Memory; a task that needs more is killed.
    pub memory: Option<ByteSize>,
    /// Processor time a second; a task that wants more is slowed down.
    pub cpus: Option<Cpus>,
    /// Processes and threads at once; one more cannot be started.
    pub processes: Option<u32>,
}

impl TaskLimits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn validate(&self) -> Result<(), InvalidServiceSpec> {
        if self.memory.is_some_and(|memory| memory < MEMORY_MIN) {
            return Err(InvalidServiceSpec::Limits("memory"));
        }
        if self.processes.is_some_and(|processes| processes < PROCESSES_MIN) {
            return Err(InvalidServiceSpec::Limits("processes"));
        }
        Ok(())
    }
}
