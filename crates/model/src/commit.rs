//! Commits, and what people write when they mean one.

use crate::macros::checked_string;
use serde::{Deserialize, Serialize};

/// A full git object name: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Commit(String);

/// A text that is no full object name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a commit is 40 or 64 lower-case hexadecimal digits")]
pub struct InvalidCommit;

impl Commit {
    fn check(text: &str) -> Result<(), InvalidCommit> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let full = matches!(text.len(), 40 | 64) && text.bytes().all(digit);
        if full { Ok(()) } else { Err(InvalidCommit) }
    }

    /// The first 12 digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

checked_string!(Commit, InvalidCommit);

/// A branch, a tag or a commit as a person wrote it. Resolved to a [`Commit`] when a build is
/// enqueued, never later.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Revision(String);

/// A text that git could read as something other than a branch, tag or commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRevision {
    /// Nothing, or more than a reference may have.
    #[error("a revision has 1 to 255 characters")]
    Length,
    /// It would be read as an option.
    #[error("a revision may not begin with '-'")]
    LeadingDash,
    /// A character or sequence that git forbids in a reference, or gives a meaning of its own.
    #[error("a revision may not contain {0:?}")]
    Forbidden(String),
}

impl Revision {
    /// The rules of `git check-ref-format`, and stricter: no `@{`, `^`, `~` or `:`, since a revision
    /// names a branch, tag or commit and is no expression.
    fn check(text: &str) -> Result<(), InvalidRevision> {
        if text.is_empty() || text.len() > 255 {
            return Err(InvalidRevision::Length);
        }
        if text.starts_with('-') {
            return Err(InvalidRevision::LeadingDash);
        }
        if let Some(sequence) = ["..", "@{", "//", "/."]
            .iter()
            .find(|sequence| text.contains(**sequence))
        {
            return Err(InvalidRevision::Forbidden((*sequence).to_owned()));
        }
        let forbidden = |c: &char| !c.is_ascii_graphic() || "~^:?*[\\".contains(*c);
        match text.chars().find(forbidden) {
            Some(found) => Err(InvalidRevision::Forbidden(found.to_string())),
            None => Ok(()),
        }
    }
}

checked_string!(Revision, InvalidRevision);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_that_git_could_misread_is_refused() {
        for bad in [
            "",
            "-x",
            "--upload-pack=touch /tmp/x",
            "a..b",
            "a b",
            "HEAD~1",
            "a:b",
            "x\u{0}",
            "é",
            "a\n",
        ] {
            assert!(bad.parse::<Revision>().is_err(), "{bad:?}");
        }
        for good in ["main", "release/1.2", "v1.0.0", "HEAD", "0123abc"] {
            assert!(good.parse::<Revision>().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_commit_is_a_full_object_name() {
        assert!("a".repeat(40).parse::<Commit>().is_ok());
        assert!("0".repeat(64).parse::<Commit>().is_ok());
        for bad in ["A".repeat(40), "a".repeat(41), "g".repeat(40), "a".repeat(12)] {
            assert!(bad.parse::<Commit>().is_err(), "{bad}");
        }
    }
}
