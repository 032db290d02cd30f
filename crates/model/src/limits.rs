//! What one build may use of a worker's machine.

use crate::ByteSize;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The smallest share of a processor, in thousandths: the kernel schedules no less than 1 ms of 100 ms.
const CPU_MILLIS_MIN: u32 = 10;
/// More processors than any machine has.
const CPU_MILLIS_MAX: u32 = 10_000_000;

/// An amount of processor time a second, written as a number of processors: `2`, `0.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Cpus {
    thousandths: u32,
}

/// A number that is no amount of processors.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0} is no number of processors: give 0.01 to 10000")]
pub struct InvalidCpus(f64);

impl Cpus {
    /// So many whole processors, at most 10,000.
    pub const fn whole(count: u32) -> Self {
        let thousandths = count.saturating_mul(1000);
        Self {
            thousandths: if thousandths > CPU_MILLIS_MAX {
                CPU_MILLIS_MAX
            } else {
                thousandths
            },
        }
    }

    /// In thousandths of a processor.
    pub const fn thousandths(self) -> u32 {
        self.thousandths
    }
}

impl TryFrom<f64> for Cpus {
    type Error = InvalidCpus;

    fn try_from(count: f64) -> Result<Self, InvalidCpus> {
        let thousandths = (count * 1000.0).round();
        if !(f64::from(CPU_MILLIS_MIN)..=f64::from(CPU_MILLIS_MAX)).contains(&thousandths) {
            return Err(InvalidCpus(count));
        }
        Ok(Self {
            // Checked above: positive and far below 2^32.
            thousandths: thousandths as u32,
        })
    }
}

impl From<Cpus> for f64 {
    fn from(cpus: Cpus) -> Self {
        Self::from(cpus.thousandths) / 1000.0
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        f64::from(*self).fmt(formatter)
    }
}

/// What one build may use, all of its processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory, what its files hold in `/dev/shm` included.
    pub memory: ByteSize,
    /// Processor time a second. The only one that slows a build down instead of failing it.
    pub cpus: Cpus,
    /// Processes and threads at once.
    pub processes: u32,
    /// What its folders hold: the checkout, what it makes there, and its temporary files.
    pub disk: ByteSize,
}

impl Limits {
    /// What a build gets whose target asks for nothing.
    pub const USUAL: Self = Self {
        memory: ByteSize::gibibytes(8),
        cpus: Cpus::whole(4),
        processes: 4096,
        disk: ByteSize::gibibytes(20),
    };
    /// The most that a target may ask for, unless the operator says otherwise.
    pub const MOST: Self = Self {
        memory: ByteSize::gibibytes(64),
        cpus: Cpus::whole(64),
        processes: 32_768,
        disk: ByteSize::gibibytes(200),
    };

    /// These, with what `other` says in their place.
    pub fn with(&self, other: &LimitRequest) -> Self {
        Self {
            memory: other.memory.unwrap_or(self.memory),
            cpus: other.cpus.unwrap_or(self.cpus),
            processes: other.processes.unwrap_or(self.processes),
            disk: other.disk.unwrap_or(self.disk),
        }
    }

    /// What a target gets that asks for `asked` on a worker that gives `self` unasked and `most` at most.
    pub fn grant(&self, asked: &LimitRequest, most: &Self) -> Self {
        let wanted = self.with(asked);
        Self {
            memory: wanted.memory.min(most.memory),
            cpus: wanted.cpus.min(most.cpus),
            processes: wanted.processes.min(most.processes),
            disk: wanted.disk.min(most.disk),
        }
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} of memory, {} processors, {} processes, {} on the disk",
            self.memory, self.cpus, self.processes, self.disk
        )
    }
}

/// What a target says about its limits; the worker's own hold for what it leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitRequest {
    /// See [`Limits::memory`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// See [`Limits::cpus`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Cpus>,
    /// See [`Limits::processes`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// See [`Limits::disk`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<ByteSize>,
}

/// Less memory than this runs no program.
pub(crate) const MEMORY_MIN: ByteSize = ByteSize::mebibytes(4);
/// Fewer processes than this run no shell line.
pub(crate) const PROCESSES_MIN: u32 = 4;

impl LimitRequest {
    /// Refuses what no build could live with.
    pub(crate) fn validate(&self) -> Result<(), String> {
        if self.memory.is_some_and(|asked| asked < MEMORY_MIN) {
            return Err(format!("`limits.memory` is at least {MEMORY_MIN}"));
        }
        if self.processes.is_some_and(|asked| asked < PROCESSES_MIN) {
            return Err(format!("`limits.processes` is at least {PROCESSES_MIN}"));
        }
        Ok(())
    }

    /// Whether anything is asked for that `granted` does not give.
    pub fn exceeds(&self, granted: &Limits) -> bool {
        self.memory.is_some_and(|asked| asked > granted.memory)
            || self.cpus.is_some_and(|asked| asked > granted.cpus)
            || self.processes.is_some_and(|asked| asked > granted.processes)
            || self.disk.is_some_and(|asked| asked > granted.disk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_gets_what_it_asks_for_up_to_the_workers_most() {
        let asked = LimitRequest {
            memory: Some(ByteSize::gibibytes(1)),
            cpus: Some(Cpus::whole(1000)),
            ..LimitRequest::default()
        };
        let granted = Limits::USUAL.grant(&asked, &Limits::MOST);
        let expected = Limits {
            memory: ByteSize::gibibytes(1),
            cpus: Limits::MOST.cpus,
            ..Limits::USUAL
        };
        assert_eq!(granted, expected);
        assert!(asked.exceeds(&granted), "it asked for more processors");
        let modest = LimitRequest { cpus: None, ..asked };
        assert!(!modest.exceeds(&granted));
    }

    #[test]
    fn processors_are_written_as_a_number() {
        assert_eq!(Cpus::try_from(0.5).unwrap().thousandths(), 500);
        assert_eq!(Cpus::whole(2).to_string(), "2");
        for bad in [0.0, 0.001, -1.0, 1e9, f64::NAN, f64::INFINITY] {
            assert!(Cpus::try_from(bad).is_err(), "{bad}");
        }
    }
}
