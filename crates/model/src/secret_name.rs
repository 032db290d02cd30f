//! The names of secrets that builds may be given.

use crate::macros::checked_string;
use serde::{Deserialize, Serialize};

/// The longest name, in bytes.
const NAME_LENGTH_MAX: usize = 64;

/// A secret's name, which is also the variable that holds it in a build: `NPM_TOKEN`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// A text that names no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no secret's name: use A-Z, 0-9 and '_', begin with a letter, and none of PATH, HOME, TMPDIR, \
     SOURCE_DATE_EPOCH, LD_… and STARLING_…"
)]
pub struct InvalidSecretName {
    text: String,
}

impl SecretName {
    fn check(text: &str) -> Result<(), InvalidSecretName> {
        let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let shape = text.len() <= NAME_LENGTH_MAX
            && text.bytes().all(plain)
            && text.starts_with(|first: char| first.is_ascii_uppercase());
        // What means something to the system or to us.
        let taken = ["PATH", "HOME", "TMPDIR", "SOURCE_DATE_EPOCH"].contains(&text)
            || ["LD_", "STARLING_"].iter().any(|prefix| text.starts_with(prefix));
        if shape && !taken {
            return Ok(());
        }
        let text = text.chars().take(NAME_LENGTH_MAX).collect();
        Err(InvalidSecretName { text })
    }
}

checked_string!(SecretName, InvalidSecretName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_like_a_variable_that_means_nothing_else() {
        for good in ["A", "NPM_TOKEN", "KEY2"] {
            assert!(good.parse::<SecretName>().is_ok(), "{good}");
        }
        let long = "X".repeat(65);
        for bad in [
            "",
            "npm",
            "2X",
            "_X",
            "A-B",
            "A=B",
            "PATH",
            "LD_PRELOAD",
            "STARLING_COMMIT",
            &long,
        ] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad}");
        }
    }
}
