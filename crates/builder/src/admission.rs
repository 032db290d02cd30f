//! How many builds a worker with free slots takes now. Pure: readings and a time in, a decision out.
//!
//! Slots say how many builds a machine is meant for; what builds really take differs. A machine that is short of
//! memory does less the more it is given, so no build is added while anything waits for memory. Waiting for a
//! processor only costs time, so with nothing of its own running a worker always takes one.
//!
//! Pressure is an average of ten seconds, and shows a burst of builds too late. So beyond one build for each
//! processor the number grows by one at a time, and falls back to what runs as soon as something is short:
//! additive increase, as in TCP (RFC 5681, section 3.1), and what has proved to fit is refilled at once.

use model::ByteSize;
use std::fmt;
use std::time::Duration;

/// The least time between two steps up.
const STEP_EVERY: Duration = Duration::from_secs(1);

/// From when on a worker takes no more builds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// The share of the last ten seconds, in percent, in which something waited for a processor.
    pub cpu_percent: f64,
    /// The same for memory.
    pub memory_percent: f64,
    /// What must be free of the disk.
    pub disk_free: ByteSize,
}

impl Thresholds {
    /// Far enough from idle to keep a machine busy, and from the point at which builds only hinder each other.
    pub const USUAL: Self = Self {
        cpu_percent: 80.0,
        memory_percent: 20.0,
        disk_free: ByteSize::gibibytes(2),
    };
}

/// What the machine says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Readings {
    /// Percent; nothing on a kernel that does not measure it.
    pub(crate) cpu: Option<f64>,
    /// Percent.
    pub(crate) memory: Option<f64>,
    pub(crate) disk_free: ByteSize,
    /// Builds of this worker.
    pub(crate) running: usize,
}

/// Why a worker with free slots waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shortage {
    Disk {
        free: ByteSize,
        needed: ByteSize,
    },
    Memory {
        percent: f64,
        limit: f64,
    },
    Cpu {
        percent: f64,
        limit: f64,
    },
    /// It looks first what those do that it took just now.
    Growing,
}

impl Shortage {
    /// For a metric's label.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Disk { .. } => "disk",
            Self::Memory { .. } => "memory",
            Self::Cpu { .. } => "cpu",
            Self::Growing => "growing",
        }
    }

    pub(crate) const WORDS: [&str; 4] = ["disk", "memory", "cpu", "growing"];
}

impl fmt::Display for Shortage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk { free, needed } => {
                write!(formatter, "{free} of the disk are free, and {needed} are needed")
            }
            Self::Memory { percent, limit } => {
                write!(
                    formatter,
                    "something waits for memory {percent:.0} % of the time, and {limit:.0} % is the limit"
                )
            }
            Self::Cpu { percent, limit } => {
                write!(
                    formatter,
                    "something waits for a processor {percent:.0} % of the time, and {limit:.0} % is the limit"
                )
            }
            Self::Growing => formatter.write_str("it looks first what the builds do that it took just now"),
        }
    }
}

/// The decision, from one time to the next.
#[derive(Debug)]
pub(crate) struct Admission {
    thresholds: Thresholds,
    slots: usize,
    /// How many builds have proved to fit, or may be tried.
    ceiling: usize,
    /// When the ceiling was last moved.
    moved: Duration,
}

impl Admission {
    pub(crate) fn new(thresholds: Thresholds, slots: usize, processors: usize) -> Self {
        Self {
            thresholds,
            slots,
            ceiling: processors.clamp(1, slots),
            moved: Duration::ZERO,
        }
    }

    /// How many builds to take, at least one; or why none. `now` is a time that only grows.
    pub(crate) fn room(&mut self, readings: &Readings, now: Duration) -> Result<usize, Shortage> {
        if let Some(shortage) = self.shortage(readings) {
            self.ceiling = readings.running.clamp(1, self.slots);
            self.moved = now;
            return Err(shortage);
        }
        if readings.running >= self.ceiling {
            if now.saturating_sub(self.moved) < STEP_EVERY {
                return Err(Shortage::Growing);
            }
            self.ceiling = (readings.running + 1).min(self.slots);
            self.moved = now;
        }
        match self.ceiling.saturating_sub(readings.running) {
            0 => Err(Shortage::Growing),
            room => Ok(room),
        }
    }

    fn shortage(&self, readings: &Readings) -> Option<Shortage> {
        let Thresholds {
            cpu_percent,
            memory_percent,
            disk_free,
        } = self.thresholds;
        let above = |percent: Option<f64>, limit: f64| percent.filter(|&percent| percent > limit);
        if readings.disk_free < disk_free {
            return Some(Shortage::Disk {
                free: readings.disk_free,
                needed: disk_free,
            });
        }
        let memory = above(readings.memory, memory_percent).map(|percent| Shortage::Memory {
            percent,
            limit: memory_percent,
        });
        let cpu = above(readings.cpu, cpu_percent).map(|percent| Shortage::Cpu {
            percent,
            limit: cpu_percent,
        });
        memory.or(cpu.filter(|_| readings.running > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IDLE: Readings = Readings {
        cpu: Some(0.0),
        memory: Some(0.0),
        disk_free: ByteSize::gibibytes(100),
        running: 0,
    };

    fn admission() -> Admission {
        Admission::new(Thresholds::USUAL, 16, 4)
    }

    /// What a new worker says to these readings.
    fn said(readings: Readings) -> Result<usize, &'static str> {
        let room = admission().room(&readings, Duration::ZERO);
        room.map_err(|shortage| shortage.word())
    }

    #[test]
    fn an_idle_machine_takes_a_build_for_each_processor() {
        assert_eq!(said(IDLE), Ok(4));
        assert_eq!(said(Readings { running: 3, ..IDLE }), Ok(1));
        let unmeasured = Readings {
            cpu: None,
            memory: None,
            ..IDLE
        };
        assert_eq!(said(unmeasured), Ok(4));
    }

    #[test]
    fn a_machine_that_is_short_of_something_says_of_what() {
        let busy = Readings {
            cpu: Some(95.0),
            running: 1,
            ..IDLE
        };
        assert_eq!(said(busy), Err("cpu"));
        let thrashing = Readings {
            memory: Some(30.0),
            ..busy
        };
        assert_eq!(said(thrashing), Err("memory"));
        let full = Readings {
            disk_free: ByteSize(1),
            ..thrashing
        };
        assert_eq!(said(full), Err("disk"));
    }

    #[test]
    fn busy_processors_never_keep_an_idle_worker_from_its_first_build() {
        let busy = Readings {
            cpu: Some(100.0),
            ..IDLE
        };
        assert!(said(busy).is_ok());
    }

    #[test]
    fn beyond_the_processors_the_number_grows_one_by_one_and_is_kept() {
        let mut admission = admission();
        let with = |running| Readings { running, ..IDLE };
        let mut at = |running, seconds| {
            let room = admission.room(&with(running), Duration::from_secs(seconds));
            room.map_err(|shortage| shortage.word())
        };
        assert_eq!(at(4, 1), Ok(1));
        assert_eq!(at(5, 1), Err("growing"));
        assert_eq!(at(5, 2), Ok(1));
        // Three have ended, and their places are filled at once.
        assert_eq!(at(3, 2), Ok(3));
        for running in 6..16 {
            assert_eq!(at(running, running as u64), Ok(1));
        }
        assert_eq!(at(16, 100), Err("growing"), "there are 16 slots");
    }

    #[test]
    fn a_shortage_brings_the_number_down_to_what_runs() {
        let mut admission = Admission::new(Thresholds::USUAL, 16, 16);
        let short = Readings {
            memory: Some(90.0),
            running: 9,
            ..IDLE
        };
        assert!(admission.room(&short, Duration::from_secs(1)).is_err());
        let after = Readings { running: 7, ..IDLE };
        assert_eq!(admission.room(&after, Duration::from_secs(1)), Ok(2));
    }

    proptest! {
        #[test]
        fn no_more_than_the_slots_ever_run_and_an_idle_machine_always_gets_on(
            steps in proptest::collection::vec((0.0..100.0_f64, 0.0..100.0_f64, 0..4_usize), 1..100),
        ) {
            let mut admission = admission();
            let mut running = 0_usize;
            for (second, (cpu, memory, ended)) in steps.into_iter().enumerate() {
                running = running.saturating_sub(ended);
                let readings = Readings { cpu: Some(cpu), memory: Some(memory), running, ..IDLE };
                let now = Duration::from_secs(second as u64);
                running += admission.room(&readings, now).unwrap_or(0);
                prop_assert!(running <= 16);
            }
            let later = Duration::from_secs(1_000);
            prop_assert!(admission.room(&IDLE, later).is_ok());
        }
    }
}
