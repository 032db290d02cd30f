//! The cases, as their names say them: hosts, `x`, and the content's size.

use anyhow::Context as _;
use bench_network::Cap;

/// Up to so many hosts, two processors are enough for all of them at 100 Mbit/s; beyond, at half of that. At twice
/// these rates they are 99% busy, and what is measured is the machine.
const HOSTS_AT_FULL_RATE: u16 = 8;
/// What the quick form brings, in bytes.
const QUICK_BYTES: u64 = 32 << 20;
/// How much is copied to measure a link, in bytes, and in the quick form.
const PROBE_BYTES: u64 = 64 << 20;
const PROBE_BYTES_QUICK: u64 = 16 << 20;
/// What of a cap remains for content: 1,448 bytes of each segment, which takes 1,514 on the wire.
const CONTENT_SHARE: f64 = 0.956;

/// What is brought to how many at which rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) hosts: u16,
    pub(crate) bytes: u64,
    pub(crate) probe_bytes: u64,
    pub(crate) cap: Cap,
}

impl Case {
    /// The case of this name, or its quick form.
    pub(crate) fn named(name: &str, quick: bool) -> anyhow::Result<Self> {
        let read = || {
            let (hosts, size) = name.split_once('x')?;
            let hosts: u16 = hosts.parse().ok()?;
            let (number, unit) = size.split_at(size.len().checked_sub(1)?);
            let shift = match unit {
                "m" => 20,
                "g" => 30,
                _ => return None,
            };
            let bytes = number.parse::<u64>().ok()? << shift;
            let megabits = if hosts > HOSTS_AT_FULL_RATE { 50 } else { 100 };
            Some(Self {
                name: name.to_owned(),
                hosts,
                bytes: if quick { QUICK_BYTES } else { bytes },
                probe_bytes: if quick { PROBE_BYTES_QUICK } else { PROBE_BYTES },
                cap: Cap { megabits },
            })
        };
        read().with_context(|| format!("{name:?} is no case"))
    }

    /// Bytes of content a second that a link should carry.
    pub(crate) fn expected_rate(&self) -> f64 {
        f64::from(self.cap.megabits) * 1e6 / 8.0 * CONTENT_SHARE
    }

    /// What lies on the disk at once: the content, our store's copy, and each host's; and the probe with its copy.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.bytes * (2 + u64::from(self.hosts)) + 2 * self.probe_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_case_is_one() {
        for line in include_str!("../cases").lines() {
            Case::named(line.split(' ').next().unwrap(), false).unwrap();
        }
        let case = Case::named("16x1g", false).unwrap();
        assert_eq!((case.hosts, case.bytes, case.cap.megabits), (16, 1 << 30, 50));
        assert_eq!(Case::named("16x1g", true).unwrap().bytes, QUICK_BYTES);
        for bad in ["", "8x", "x1g", "8x1t"] {
            assert!(Case::named(bad, false).is_err(), "{bad}");
        }
    }
}
