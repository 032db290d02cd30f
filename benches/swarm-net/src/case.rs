//! The cases, as their names say them: hosts, `x`, and the content's size.

use anyhow::Context as _;
use bench_network::Cap;

/// Up to so many hosts, two processors are enough for all of them at 100 Mbit/s; beyond, at half of that. At twice
/// these rates they are 99% busy, and what is measured is the machine.
const HOSTS_AT_FULL_RATE: u16 = 8;
/// What the quick form brings, in bytes.
const QUICK_BYTES: u64 = 64 << 20;

/// What is brought to how many at which rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) hosts: u16,
    pub(crate) bytes: u64,
    pub(crate) cap: Cap,
}

impl Case {
    pub(crate) fn named(name: &str) -> anyhow::Result<Self> {
        let read = || {
            let (hosts, size) = name.split_once('x')?;
            let hosts: u16 = hosts.parse().ok()?;
            let (number, unit) = size.split_at(size.len().checked_sub(1)?);
            let shift = match unit {
                "m" => 20,
                "g" => 30,
                _ => return None,
            };
            let megabits = if hosts > HOSTS_AT_FULL_RATE { 50 } else { 100 };
            Some(Self {
                name: name.to_owned(),
                hosts,
                bytes: number.parse::<u64>().ok()? << shift,
                cap: Cap { megabits },
            })
        };
        read().with_context(|| format!("{name:?} is no case"))
    }

    /// Makes it the quick form.
    pub(crate) fn shorten(&mut self) {
        self.bytes = QUICK_BYTES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_case_is_one() {
        for line in include_str!("../cases").lines() {
            Case::named(line.split(' ').next().unwrap()).unwrap();
        }
        let case = Case::named("16x1g").unwrap();
        assert_eq!((case.hosts, case.bytes, case.cap.megabits), (16, 1 << 30, 50));
        for bad in ["", "8x", "x1g", "8x1t"] {
            assert!(Case::named(bad).is_err(), "{bad}");
        }
    }
}
