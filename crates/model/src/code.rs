//! How people name what shall run.

use crate::version::InvalidBuildVersion;
use crate::{BuildId, BuildVersion};
use std::fmt;
use std::str::FromStr;

/// The fewest digits of a commit, as git abbreviates it at least.
const COMMIT_DIGITS_MIN: usize = 7;

/// A build, by its identifier, or by what its code is called: a version such as `release-v1.4.2`, or a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// By its identifier.
    Build(BuildId),
    /// By what its code is called.
    Version(BuildVersion),
}

/// A text that names no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("give a build's identifier, a version such as release-v1.4.2, or a commit")]
pub struct InvalidCode;

impl FromStr for Code {
    type Err = InvalidCode;

    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        if let Ok(build) = text.parse() {
            return Ok(Self::Build(build));
        }
        let version = text.parse().map_err(|_: InvalidBuildVersion| InvalidCode)?;
        Ok(Self::Version(version))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(build) => build.fmt(formatter),
            Self::Version(version) => version.fmt(formatter),
        }
    }
}

impl BuildVersion {
    /// The first digits of a commit, where this may be some.
    pub fn as_commit(&self) -> Option<&str> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let text = self.as_str();
        let long = (COMMIT_DIGITS_MIN..=64).contains(&text.len());
        (long && text.bytes().all(digit)).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_a_version_and_a_commit_are_told_apart() {
        let build = "01900000-0000-7000-8000-000000000000";
        assert_eq!(
            build.parse::<Code>().unwrap(),
            Code::Build(build.parse().unwrap())
        );
        for (text, commit) in [
            ("release-v1.4.2", None),
            ("0123abc", Some("0123abc")),
            ("0123ab", None),
            ("0123ABC", None),
        ] {
            let Ok(Code::Version(version)) = text.parse() else {
                panic!("{text}")
            };
            assert_eq!(version.as_commit(), commit, "{text}");
            assert_eq!(Code::Version(version).to_string(), text);
        }
        for bad in ["", "a b", "%", &"x".repeat(200)] {
            assert_eq!(bad.parse::<Code>(), Err(InvalidCode), "{bad}");
        }
    }
}
