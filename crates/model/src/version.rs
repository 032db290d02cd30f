//! What a build is called beside its identifier: `release-v1.4.2`, `staging-2026-11-26`, `dev-2026-11-26` or
//! `local-0123abc`, by its branch, its tags and the rules of its repository.

use crate::macros::checked_string;
use crate::{Commit, Revision};
use serde::{Deserialize, Serialize};

/// The variable in which a build's command and a release's process find the version.
pub const VERSION_VARIABLE: &str = "STARLING_VERSION";
/// The most patterns of one rule.
const PATTERNS_MAX: usize = 32;
/// The longest pattern, in bytes.
const PATTERN_LENGTH_MAX: usize = 255;
/// The longest version, in bytes: a release's three numbers.
const VERSION_LENGTH_MAX: usize = 80;
/// A commit's digits in a version, as git abbreviates it.
const COMMIT_DIGITS: usize = 12;

/// A build's version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BuildVersion(String);

/// Why a text is no build's version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a build's version is 1 to {VERSION_LENGTH_MAX} letters, digits, '.' and '-'")]
pub struct InvalidBuildVersion;

impl BuildVersion {
    fn check(text: &str) -> Result<(), InvalidBuildVersion> {
        let fits = (1..=VERSION_LENGTH_MAX).contains(&text.len());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        if fits && text.bytes().all(plain) {
            Ok(())
        } else {
            Err(InvalidBuildVersion)
        }
    }
}

checked_string!(BuildVersion, InvalidBuildVersion);

/// Which branches mean what; the table `[versions]` of `starling.toml`. A pattern is a branch's name, in which one `*`
/// stands for anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VersionRules {
    /// Branches whose builds are called `dev-DATE`.
    pub dev: Vec<String>,
    /// Branches whose builds are called `staging-DATE`; they are looked at first.
    pub staging: Vec<String>,
}

impl Default for VersionRules {
    fn default() -> Self {
        let patterns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            dev: patterns(&["main", "master", "develop"]),
            staging: patterns(&["staging", "release/*"]),
        }
    }
}

/// What is known of a commit when its build is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// What the engineer wrote.
    pub revision: &'a Revision,
    /// What it meant.
    pub commit: &'a Commit,
    /// When that was made, in seconds since 1970.
    pub committed_at: i64,
    /// The tags that lead to it.
    pub tags: &'a [String],
}

impl VersionRules {
    /// Checks what the types alone cannot.
    pub fn validate(&self) -> Result<(), String> {
        for (name, patterns) in [("dev", &self.dev), ("staging", &self.staging)] {
            let good = |pattern: &String| {
                (1..=PATTERN_LENGTH_MAX).contains(&pattern.len()) && pattern.matches('*').count() <= 1
            };
            if patterns.len() > PATTERNS_MAX || !patterns.iter().all(good) {
                return Err(format!(
                    "`versions.{name}`: at most {PATTERNS_MAX} patterns of 1 to {PATTERN_LENGTH_MAX} bytes, each with at most one '*'"
                ));
            }
        }
        Ok(())
    }

    /// What a build of this commit is called. The same commit with the same tags, asked for by the same name, is always
    /// called the same: dates are the commit's own, in UTC.
    pub fn version(&self, origin: Origin<'_>) -> BuildVersion {
        let release = origin.tags.iter().filter_map(|tag| Release::of(tag)).max();
        let any = |patterns: &[String]| {
            patterns
                .iter()
                .any(|pattern| fits(pattern, branch(origin.revision)))
        };
        BuildVersion(match release {
            Some(release) => format!("release-{release}"),
            None if any(&self.staging) => format!("staging-{}", date(origin.committed_at)),
            None if any(&self.dev) => format!("dev-{}", date(origin.committed_at)),
            None => format!("local-{}", &origin.commit.as_str()[..COMMIT_DIGITS]),
        })
    }
}

/// A branch's name without git's way of spelling it out.
fn branch(revision: &Revision) -> &str {
    let text = revision.as_str();
    text.strip_prefix("refs/heads/").unwrap_or(text)
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
    }
}

/// A tag `vX.Y.Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Release(u64, u64, u64);

impl Release {
    fn of(tag: &str) -> Option<Self> {
        let mut numbers = tag.strip_prefix('v')?.split('.').map(number);
        let release = Self(numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(release)
    }
}

/// A number as semantic versions have it: digits without a leading zero.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text.len() == 1 || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

impl std::fmt::Display for Release {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "v{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A moment's date in UTC; of a time before 1970 or after 9999, which nobody committed at, the nearest.
fn date(at: i64) -> String {
    let at = at.clamp(0, jiff::Timestamp::MAX.as_second());
    let moment = jiff::Timestamp::from_second(at).unwrap_or_default();
    moment.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(revision: &str, tags: &[&str]) -> String {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let origin = Origin {
            revision: &revision.parse().unwrap(),
            commit: &"0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            committed_at: 1_795_000_000,
            tags: &tags,
        };
        VersionRules::default().version(origin).to_string()
    }

    #[test]
    fn a_tag_says_more_than_a_branch_and_of_several_the_highest_counts() {
        for (revision, tags, expected) in [
            ("main", vec![], "dev-2026-11-18"),
            ("refs/heads/main", vec![], "dev-2026-11-18"),
            ("release/1.4", vec![], "staging-2026-11-18"),
            ("feature/x", vec![], "local-0123456789ab"),
            ("v1.9.0", vec!["v1.9.0", "v1.10.0", "nightly"], "release-v1.10.0"),
            (
                "main",
                vec!["v01.0.0", "v1.0", "1.0.0", "v1.0.0.0", "v1.0.x"],
                "dev-2026-11-18",
            ),
        ] {
            assert_eq!(version(revision, &tags), expected, "{revision} {tags:?}");
        }
    }

    #[test]
    fn a_time_that_nobody_committed_at_has_a_date_too() {
        assert_eq!(date(i64::MIN), "1970-01-01");
        assert_eq!(date(i64::MAX), "9999-12-30");
    }

    #[test]
    fn a_rule_with_nonsense_is_refused() {
        let rules = |pattern: &str| VersionRules {
            dev: vec![pattern.to_owned()],
            ..VersionRules::default()
        };
        assert!(rules("a/*/b").validate().is_ok());
        for bad in ["", "*/*", &"x".repeat(256)] {
            assert!(
                rules(bad).validate().unwrap_err().contains("versions.dev"),
                "{bad:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_version_is_a_version_and_says_one_kind(
            revision in "[a-z][a-z0-9/.-]{0,20}", commit in "[0-9a-f]{40}", at in any::<i64>(),
            tags in prop::collection::vec("v?[0-9]{1,3}(\\.[0-9]{1,3}){0,3}", 0..4),
            dev in prop::collection::vec("[a-z/*]{1,6}", 0..3),
        ) {
            let Ok(revision) = revision.parse::<Revision>() else { return Ok(()) };
            let rules = VersionRules { dev, ..VersionRules::default() };
            let commit: Commit = commit.parse().unwrap();
            let origin = Origin { revision: &revision, commit: &commit, committed_at: at, tags: &tags };
            let version = rules.version(origin);
            prop_assert_eq!(version.as_str().parse(), Ok(version.clone()));
            let kinds = ["local-", "dev-", "staging-", "release-v"];
            prop_assert_eq!(kinds.iter().filter(|kind| version.as_str().starts_with(**kind)).count(), 1);
            prop_assert_eq!(rules.version(origin), version, "it is a function");
        }

        #[test]
        fn later_is_never_an_earlier_date(one in 0_i64..250_000_000_000, more in 0_i64..1_000_000_000) {
            prop_assert!(date(one) <= date(one + more));
        }
    }
}
