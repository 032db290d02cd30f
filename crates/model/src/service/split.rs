//! A part of a service's requests that goes to a new release before all of them do.

use super::InvalidServiceSpec;
use serde::{Deserialize, Serialize};

/// The longest name of a sticky header or cookie, in bytes.
pub const STICKY_NAME_LENGTH_MAX: usize = 64;
/// The longest split, in seconds.
const SECONDS_MAX: u32 = 3_600;

/// What goes to green, on each host, before everything does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// How many requests of a hundred, 1 to 99.
    pub percent: u8,
    /// For how long.
    pub seconds: u32,
    /// How many of a hundred answers of green may be errors (5xx, or none at all) before the requests go back to blue.
    #[serde(default = "usual_errors")]
    pub errors_percent_max: u8,
    /// Whether clients stay on their side.
    #[serde(default)]
    pub sticky: Option<Sticky>,
}

const fn usual_errors() -> u8 {
    5
}

/// How a client that was sent to one side of a split gets there again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sticky {
    /// Requests with the same value of this header go to the same side.
    Header(String),
    /// The proxy sets this cookie to the release that answered, and honours it while the release takes part.
    Cookie(String),
}

impl Sticky {
    /// The header's or cookie's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Header(name) | Self::Cookie(name) => name,
        }
    }

    /// Whether a client could send it: a subset of a token (RFC 9110, section 5.6.2), so that it needs no quoting anywhere.
    pub fn is_valid(&self) -> bool {
        let name = self.name();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=STICKY_NAME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(plain)
    }
}

impl Split {
    pub(super) fn validate(&self) -> Result<(), InvalidServiceSpec> {
        if !(1..=99).contains(&self.percent) {
            return Err(InvalidServiceSpec::Split("percent"));
        }
        if !(1..=SECONDS_MAX).contains(&self.seconds) {
            return Err(InvalidServiceSpec::Split("seconds"));
        }
        if self.errors_percent_max > 100 {
            return Err(InvalidServiceSpec::Split("errors_percent_max"));
        }
        if self.sticky.as_ref().is_some_and(|sticky| !sticky.is_valid()) {
            return Err(InvalidServiceSpec::Split("sticky"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::ServiceSpec;

    fn validated(more: &str) -> Result<(), String> {
        let spec = format!("target = \"//a:b\"\ncommand = [\"b\"]\n{more}");
        let spec: ServiceSpec = toml::from_str(&spec).map_err(|error| error.to_string())?;
        spec.validate().map_err(|error| error.to_string())
    }

    #[test]
    fn a_split_is_read_as_it_is_written_and_needs_a_front_and_a_release_beside() {
        let front = "stable_port = 80\noverlap = \"always\"\n";
        let split = "[cutover.split]\npercent = 10\nseconds = 60\nsticky = { header = \"x-user\" }\n";
        assert_eq!(validated(&format!("{front}{split}")), Ok(()));
        assert!(validated(split).unwrap_err().contains("stable_port"));
        let alone = format!("stable_port = 80\n{split}");
        assert!(validated(&alone).unwrap_err().contains("overlap"));
        for (bad, part) in [
            ("percent = 100\nseconds = 60", "percent"),
            ("percent = 10\nseconds = 0", "seconds"),
            (
                "percent = 10\nseconds = 60\nerrors_percent_max = 101",
                "errors_percent_max",
            ),
            (
                "percent = 10\nseconds = 60\nsticky = { cookie = \"a b\" }",
                "sticky",
            ),
            ("percent = 10\nseconds = 60\nfor = 3", "unknown field `for`"),
        ] {
            let refusal = validated(&format!("{front}[cutover.split]\n{bad}\n")).unwrap_err();
            assert!(refusal.contains(part), "{bad}: {refusal}");
        }
    }
}
