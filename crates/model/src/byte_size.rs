//! Amounts of bytes as people write them: `2GiB`, `512 MiB`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Largest first, so that the first that divides an amount shows it shortest. `B` is last: every other
/// unit ends with it too.
const UNITS: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// An amount of bytes, written as a whole number and a unit: B, KiB, MiB, GiB or TiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(pub u64);

/// A text that is no amount of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no amount of bytes: write a whole number and B, KiB, MiB, GiB or TiB, as in 2GiB")]
pub struct InvalidByteSize {
    text: String,
}

impl ByteSize {
    /// So many mebibytes; what does not fit is the largest amount there is.
    pub const fn mebibytes(count: u64) -> Self {
        Self(count.saturating_mul(1 << 20))
    }

    /// So many gibibytes; what does not fit is the largest amount there is.
    pub const fn gibibytes(count: u64) -> Self {
        Self(count.saturating_mul(1 << 30))
    }
}

impl FromStr for ByteSize {
    type Err = InvalidByteSize;

    fn from_str(text: &str) -> Result<Self, InvalidByteSize> {
        let invalid = || InvalidByteSize {
            text: text.chars().take(40).collect(),
        };
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim_end(), unit)))
            .ok_or_else(invalid)?;
        // `parse` would take a sign.
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        let number: u64 = number.parse().map_err(|_| invalid())?;
        number.checked_mul(*unit).map(Self).ok_or_else(invalid)
    }
}

impl fmt::Display for ByteSize {
    /// In the largest unit that divides it: exact, and readable where a person chose the amount.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, unit): &&(&str, u64)| self.0 > 0 && self.0.is_multiple_of(*unit);
        let (name, unit) = UNITS.iter().find(fits).unwrap_or(&("B", 1));
        write!(formatter, "{} {name}", self.0 / unit)
    }
}

impl TryFrom<String> for ByteSize {
    type Error = InvalidByteSize;

    fn try_from(text: String) -> Result<Self, InvalidByteSize> {
        text.parse()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_and_shown_in_its_unit() {
        for (text, bytes, shown) in [
            ("0B", 0, "0 B"),
            ("1000B", 1000, "1000 B"),
            ("1024 B", 1024, "1 KiB"),
            ("512MiB", 512 << 20, "512 MiB"),
            ("1536 MiB", 1536 << 20, "1536 MiB"),
            ("2GiB", 2 << 30, "2 GiB"),
            ("3 TiB", 3 << 40, "3 TiB"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown), "{text}");
            assert_eq!(shown.parse(), Ok(size));
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for bad in [
            "",
            "B",
            "1",
            "GiB",
            "-1GiB",
            "+1GiB",
            "1GB",
            "1.5GiB",
            "1 gib",
            "99999999TiB",
            "1GiBB",
        ] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
    }
}
