//! The inventory: every instance that takes part, whether an agent of ours speaks for it or it speaks for itself.

use crate::macros::{checked_string, uuid_id, word_enum};
use crate::name::InvalidName;
use crate::{HostName, RegionName};
use serde::{Deserialize, Serialize};

/// The longest version that an instance may report, in bytes.
pub const REPORTED_VERSION_LENGTH_MAX: usize = 128;
/// The largest number of a heartbeat: the largest whole number that every JSON reader keeps exactly (RFC 8259,
/// section 6).
pub const HEARTBEAT_SEQUENCE_MAX: u64 = (1 << 53) - 1;

uuid_id! {
    /// One instance, whatever its name.
    InstanceId
}

word_enum! {
    /// Who speaks for an instance.
    InstanceKind {
        /// The agent on its host, to its region's manager.
        Agent = "AGENT",
        /// The program itself, over HTTP.
        External = "EXTERNAL",
    }
}

/// An instance's name: a host name as a program gave it, or `REGION.HOST` where an agent speaks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceName(String);

impl InstanceName {
    fn check(text: &str) -> Result<(), InvalidName> {
        match text.split_once('.') {
            Some((region, host)) => {
                region.parse::<RegionName>()?;
                host.parse::<HostName>()?;
            }
            None => {
                text.parse::<HostName>()?;
            }
        }
        Ok(())
    }

    /// The name of a host with an agent.
    pub fn of_agent(region: &RegionName, host: &HostName) -> Self {
        Self(format!("{region}.{host}"))
    }
}

checked_string!(InstanceName, InvalidName);

impl From<HostName> for InstanceName {
    fn from(name: HostName) -> Self {
        Self(name.into())
    }
}

/// A version as an instance reports it, of its code or its configuration: only compared and shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReportedVersion(String);

/// Why a text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a version is 1 to {REPORTED_VERSION_LENGTH_MAX} printable characters without spaces, such as 1.4.2 or a commit"
)]
pub struct InvalidVersion;

impl ReportedVersion {
    fn check(text: &str) -> Result<(), InvalidVersion> {
        let fits = (1..=REPORTED_VERSION_LENGTH_MAX).contains(&text.len());
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits && plain {
            Ok(())
        } else {
            Err(InvalidVersion)
        }
    }
}

checked_string!(ReportedVersion, InvalidVersion);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_named_by_itself_or_by_its_region_and_host() {
        for good in ["db-1", "us-east-1.host-1"] {
            assert_eq!(good.parse::<InstanceName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "a.", ".a", "a.b.c", "A", "a/b", "a b"] {
            assert!(bad.parse::<InstanceName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_version_is_short_and_plain() {
        for good in ["1", "v1.4.2+x", "release-v1.0.0", &"v".repeat(128)] {
            assert!(good.parse::<ReportedVersion>().is_ok(), "{good:?}");
        }
        for bad in ["", "1 2", "é", "a\n", &"v".repeat(129)] {
            assert_eq!(bad.parse::<ReportedVersion>(), Err(InvalidVersion), "{bad:?}");
        }
    }
}
