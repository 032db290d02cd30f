//! What to build: `//folder/sub:name`.

use crate::macros::checked_string;
use serde::{Deserialize, Serialize};

/// The longest label, in bytes.
const LABEL_LENGTH_MAX: usize = 255;

/// A label of the form `//folder/sub:name`, or `//:name` for a target at the top of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target(String);

/// A text that is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a target: write //folder/sub:name, with letters, digits, '.', '_' and '-'")]
pub struct InvalidTarget {
    text: String,
}

impl Target {
    fn check(text: &str) -> Result<(), InvalidTarget> {
        let invalid = || InvalidTarget {
            text: text.chars().take(80).collect(),
        };
        if text.len() > LABEL_LENGTH_MAX {
            return Err(invalid());
        }
        let (folder, name) = text
            .strip_prefix("//")
            .and_then(|rest| rest.split_once(':'))
            .ok_or_else(invalid)?;
        let folder_ok = folder.is_empty() || folder.split('/').all(is_segment);
        if folder_ok && is_segment(name) {
            Ok(())
        } else {
            Err(invalid())
        }
    }

    /// The folder below the repository's top, `""` for the top itself. No `..`, never absolute.
    pub fn folder(&self) -> &str {
        self.parts().0
    }

    /// The part after the colon.
    pub fn name(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        // `check` let nothing through that lacks the colon.
        self.0[2..].split_once(':').unwrap_or_default()
    }
}

fn is_segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !text.is_empty() && text != "." && text != ".." && !text.starts_with('-') && text.bytes().all(plain)
}

checked_string!(Target, InvalidTarget);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_a_folder_and_a_name() {
        let target: Target = "//crates/beacon:beacon".parse().unwrap();
        assert_eq!((target.folder(), target.name()), ("crates/beacon", "beacon"));
        let top: Target = "//:all".parse().unwrap();
        assert_eq!((top.folder(), top.name()), ("", "all"));
    }

    #[test]
    fn a_label_never_leaves_the_tree() {
        for bad in [
            "", "a:b", "//a", "//../x:y", "//a//b:c", "///a:b", "//a:..", "//-a:b", "//a:b:c", "//a b:c",
        ] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
