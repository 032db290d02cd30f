//! Paths inside an artifact.

use crate::PATH_LENGTH_MAX;
use std::fmt;

/// The longest name of one file or folder, in bytes (`NAME_MAX` of Linux).
const SEGMENT_LENGTH_MAX: usize = 255;

/// Where a file lies in its artifact: relative, normalised, `/` between names, never leaving the
/// artifact's folder when joined to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArtifactPath(String);

/// Why a text is no path inside an artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Nothing, or more than a path may have.
    #[error("a path in an artifact has 1 to {PATH_LENGTH_MAX} bytes")]
    Length,
    /// One name is longer than a file system takes.
    #[error("{0:?} has a name of more than {SEGMENT_LENGTH_MAX} bytes")]
    SegmentLength(String),
    /// Absolute, with an empty name, `.` or `..`.
    #[error("{0:?} is not a normalised relative path")]
    NotNormalised(String),
    /// A control character or a backslash, which some system reads as something else.
    #[error("{0:?} holds a control character or a backslash")]
    Character(String),
}

impl ArtifactPath {
    /// Checks a path.
    pub fn new(text: &str) -> Result<Self, InvalidPath> {
        if text.is_empty() || text.len() > PATH_LENGTH_MAX {
            return Err(InvalidPath::Length);
        }
        if text.chars().any(|letter| letter.is_control() || letter == '\\') {
            return Err(InvalidPath::Character(shown(text)));
        }
        for segment in text.split('/') {
            if matches!(segment, "" | "." | "..") {
                return Err(InvalidPath::NotNormalised(shown(text)));
            }
            if segment.len() > SEGMENT_LENGTH_MAX {
                return Err(InvalidPath::SegmentLength(shown(text)));
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The path's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A form in which two paths are equal if a file system that ignores case takes them for one,
    /// and in which everything inside a folder sorts directly behind a file of the folder's name.
    pub(crate) fn clash_key(&self) -> String {
        // NUL sorts before every character that a path may hold.
        self.0.to_lowercase().replace('/', "\0")
    }
}

/// The beginning of a refused text: an error must not carry what it refuses for length.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

impl std::str::FromStr for ArtifactPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        Self::new(text)
    }
}

impl AsRef<std::path::Path> for ArtifactPath {
    fn as_ref(&self) -> &std::path::Path {
        std::path::Path::new(&self.0)
    }
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_the_artifact() {
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a/./b",
            "a//b",
            "a/",
            "a\\b",
            "a\0b",
            "a\nb",
            "\u{85}",
        ] {
            assert!(ArtifactPath::new(bad).is_err(), "{bad:?}");
        }
        assert!(ArtifactPath::new(&"a".repeat(256)).is_err());
        assert!(ArtifactPath::new(&"a/".repeat(600)).is_err());
    }

    #[test]
    fn ordinary_paths_are_accepted_as_they_are() {
        for good in [
            "a",
            "bin/starling",
            "..a",
            "a..",
            "…/ü",
            ".hidden",
            "a b",
            "-x",
            &"a".repeat(255),
        ] {
            assert_eq!(ArtifactPath::new(good).unwrap().as_str(), good);
        }
    }
}
