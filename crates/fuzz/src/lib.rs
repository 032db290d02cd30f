//! Beside the house: every decoder that reads bytes of strangers or peers, each a target for libFuzzer.
//!
//! A [`Target`] takes any bytes and must neither panic nor break its promise, which is mostly that what was read comes
//! out again as it was. Its examples are made from valid values, so that the search begins behind the first check.
//! `scripts/fuzz` searches; the test of this crate reads the examples, and their every beginning, each time that the
//! tests run.
//!
//! This crate never catches a panic: whoever runs a target wants it.

mod targets;

pub use targets::TARGETS;

/// One decoder.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What it is called by `scripts/fuzz`.
    pub name: &'static str,
    /// Reads the bytes; panics where a promise is broken.
    pub read: fn(&[u8]),
    /// Bytes that it accepts.
    pub examples: fn() -> Vec<Vec<u8>>,
}

/// The target of a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_example_and_all_that_is_left_of_one_cut_short_is_dealt_with() {
        for target in TARGETS {
            let examples = (target.examples)();
            assert!(!examples.is_empty(), "{} has no example", target.name);
            for example in examples {
                (target.read)(&example);
                for length in 0..example.len().min(300) {
                    (target.read)(&example[..length]);
                }
            }
        }
    }

    #[test]
    fn no_two_targets_share_a_name() {
        let names: BTreeSet<_> = TARGETS.iter().map(|target| target.name).collect();
        assert_eq!(names.len(), TARGETS.len());
        assert!(target("manifest").is_some() && target("nothing").is_none());
    }
}
