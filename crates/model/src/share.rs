//! A number of hosts, or a share of a fleet.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Hundredths of a percent in a whole.
const WHOLE: u32 = 10_000;

/// How many hosts: `5`, or `"5%"`, of which up to two decimals are kept (`"0.25%"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub enum Share {
    /// So many, whatever the fleet.
    Count(u32),
    /// So many hundredths of a percent of the fleet, at most 10,000.
    Hundredths(u32),
}

/// Something that names no number of hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no number of hosts: give a count such as 5, or a percentage up to 100% such as \"5%\"")]
pub struct InvalidShare(String);

impl Share {
    /// The whole fleet.
    pub const ALL: Self = Self::Hundredths(WHOLE);

    /// A whole percentage; more than 100 is the whole.
    pub const fn percent(percent: u32) -> Self {
        if percent >= 100 {
            Self::ALL
        } else {
            Self::Hundredths(percent * 100)
        }
    }

    /// Whether this is nobody, whatever the fleet.
    pub const fn is_none(self) -> bool {
        matches!(self, Self::Count(0) | Self::Hundredths(0))
    }

    /// Of a fleet, rounded up and never more than all of it: a batch of 1% of ten hosts is one host.
    pub fn up_to(self, fleet: u64) -> u64 {
        match self {
            Self::Count(count) => fleet.min(count.into()),
            Self::Hundredths(share) => (fleet * u64::from(share)).div_ceil(WHOLE.into()),
        }
    }

    /// Of a fleet, rounded down: of what may fail nothing is added.
    pub fn at_most(self, fleet: u64) -> u64 {
        match self {
            Self::Count(count) => count.into(),
            Self::Hundredths(share) => fleet * u64::from(share) / u64::from(WHOLE),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(formatter, "{count}"),
            Self::Hundredths(share) if share % 100 == 0 => write!(formatter, "{}%", share / 100),
            Self::Hundredths(share) => {
                let text = format!("{}.{:02}", share / 100, share % 100);
                write!(formatter, "{}%", text.trim_end_matches('0'))
            }
        }
    }
}

impl FromStr for Share {
    type Err = InvalidShare;

    fn from_str(text: &str) -> Result<Self, InvalidShare> {
        let invalid = || InvalidShare(text.chars().take(40).collect());
        let Some(percent) = text.strip_suffix('%') else {
            return text.parse().map(Self::Count).map_err(|_| invalid());
        };
        let (whole, decimals) = percent.split_once('.').unwrap_or((percent, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 2 {
            return Err(invalid());
        }
        let whole: u32 = whole.parse().map_err(|_| invalid())?;
        let decimals: u32 = format!("{decimals:0<2}").parse().map_err(|_| invalid())?;
        let share = whole.checked_mul(100).map(|whole| whole + decimals);
        share
            .filter(|share| *share <= WHOLE)
            .map(Self::Hundredths)
            .ok_or_else(invalid)
    }
}

/// How a share is written in JSON and TOML.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    Count(u32),
    Text(String),
}

impl TryFrom<Text> for Share {
    type Error = InvalidShare;

    fn try_from(text: Text) -> Result<Self, InvalidShare> {
        match text {
            Text::Count(count) => Ok(Self::Count(count)),
            Text::Text(text) => text.parse(),
        }
    }
}

impl From<Share> for Text {
    fn from(share: Share) -> Self {
        match share {
            Share::Count(count) => Self::Count(count),
            Share::Hundredths(_) => Self::Text(share.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_and_written_as_people_write_it() {
        for text in ["0", "5", "5%", "0.25%", "12.5%", "100%", "0%"] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
        }
        assert_eq!(serde_json::from_str::<Share>("7").unwrap(), Share::Count(7));
        assert_eq!(serde_json::to_string(&Share::percent(10)).unwrap(), "\"10%\"");
        for text in [
            "", "%", "-1", "1.5", "101%", "100.01%", "1.234%", "5 %", "1e2%", "+5%", ".5%",
        ] {
            assert!(text.parse::<Share>().is_err(), "{text:?}");
        }
        assert!(serde_json::from_str::<Share>("-1").is_err());
    }

    #[test]
    fn a_batch_is_rounded_up_and_a_threshold_down() {
        assert_eq!(Share::percent(1).up_to(10), 1);
        assert_eq!(Share::percent(1).at_most(10), 0);
        assert_eq!(Share::ALL.up_to(7), 7);
        assert_eq!(Share::Count(9).up_to(7), 7);
        assert_eq!(Share::percent(50).up_to(0), 0);
    }
}
