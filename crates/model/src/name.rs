//! Names that people give to things: lower-case, short, safe in a path, a URL, a key and a label.

use crate::macros::checked_string;
use serde::{Deserialize, Serialize};

/// The longest name, so that it fits a DNS label (RFC 1035, section 2.3.4).
pub const NAME_LENGTH_MAX: usize = 63;

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a valid {kind} name: use 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit"
)]
pub struct InvalidName {
    kind: &'static str,
    text: String,
}

/// A word that an enumeration of this crate does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a {kind}")]
pub struct UnknownWord {
    pub(crate) word: String,
    pub(crate) kind: &'static str,
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(&first), Some(&last)) if plain(first) && plain(last))
        && bytes.len() <= NAME_LENGTH_MAX
        && bytes.iter().all(|&byte| plain(byte) || byte == b'-')
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            fn check(text: &str) -> Result<(), InvalidName> {
                if is_name(text) {
                    return Ok(());
                }
                // A long text is cut: an error message is no place for a megabyte.
                let text = text.chars().take(NAME_LENGTH_MAX + 1).collect();
                Err(InvalidName { kind: $kind, text })
            }
        }

        checked_string!($type, InvalidName);
    };
}

name!(
    /// A registered git repository.
    RepositoryName, "repository"
);
name!(
    /// A program that runs as tasks on many hosts.
    ServiceName, "service"
);
name!(
    /// A region, such as `us-east-1`.
    RegionName, "region"
);
name!(
    /// A zone of a region, such as `us-east-1a`.
    ZoneName, "zone"
);
name!(
    /// One machine, unique within its region.
    HostName, "host"
);
name!(
    /// A folder that a target's builds find again on the same worker.
    CacheName, "cache"
);
name!(
    /// A version of a service's configuration, such as `2026-11-26` or `7`.
    ConfigurationVersion, "configuration version"
);
name!(
    /// A build worker.
    WorkerName, "worker"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_dns_label_in_lower_case() {
        for good in ["a", "us-east-1a", "0", &"x".repeat(63)] {
            assert!(good.parse::<ServiceName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a/b",
            "..",
            "a b",
            "é",
            "a\n",
            &"x".repeat(64),
        ] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_checked_when_it_is_deserialised() {
        let error = serde_json::from_str::<RegionName>("\"../etc\"").unwrap_err();
        assert!(error.to_string().contains("not a valid region name"), "{error}");
    }
}
