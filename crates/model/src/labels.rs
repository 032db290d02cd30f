//! Labels: what people say of instances, and the selectors that pick instances by it.

use crate::macros::checked_string;
use crate::{HostName, RegionName, ZoneName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub mod selector;

pub use selector::{InvalidSelector, Selector, Term};

/// The most labels of one instance.
pub const LABELS_MAX: usize = 32;
/// The longest key, and the longest value, in bytes.
pub const LABEL_LENGTH_MAX: usize = 63;

/// The keys that say where an instance stands. Nobody sets them: they are known.
pub const REGION: &str = "region";
/// See [`REGION`].
pub const ZONE: &str = "zone";
/// See [`REGION`].
pub const HOST: &str = "host";

/// Why a text is no key or value, or why several are no labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabel {
    /// Not a key.
    #[error(
        "{0:?} is not a label's key: use 1 to 63 of a-z, 0-9, '-', '_', '.' and '/', beginning and ending with a letter or digit"
    )]
    Key(String),
    /// Not a value.
    #[error(
        "{0:?} is not a label's value: use 1 to 63 letters, digits and any of -_.:/+, beginning and ending with a letter or digit"
    )]
    Value(String),
    /// Too many to be kept with every instance.
    #[error("an instance has at most {LABELS_MAX} labels, not {0}")]
    TooMany(usize),
    /// A key whose value is known, and not for anybody to say.
    #[error("the label {0:?} says where an instance stands; it is known, and cannot be set")]
    Reserved(String),
}

/// A label's name, such as `role` or `example.com/tier`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabelKey(String);

/// What a label says, such as `canary` or `v1.2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabelValue(String);

fn is_word(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= LABEL_LENGTH_MAX
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|&byte| allowed(byte))
}

/// Enough of a bad text to recognise it by.
fn shown(text: &str) -> String {
    text.chars().take(LABEL_LENGTH_MAX + 1).collect()
}

impl LabelKey {
    fn check(text: &str) -> Result<(), InvalidLabel> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_./".contains(&byte);
        if is_word(text, plain) {
            Ok(())
        } else {
            Err(InvalidLabel::Key(shown(text)))
        }
    }

    /// Whether it says where an instance stands.
    pub fn is_reserved(&self) -> bool {
        [REGION, ZONE, HOST].contains(&self.as_str())
    }
}

impl LabelValue {
    fn check(text: &str) -> Result<(), InvalidLabel> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+".contains(&byte);
        if is_word(text, plain) {
            Ok(())
        } else {
            Err(InvalidLabel::Value(shown(text)))
        }
    }
}

checked_string!(LabelKey, InvalidLabel);
checked_string!(LabelValue, InvalidLabel);

/// What people say of one instance: at most [`LABELS_MAX`] keys with a value each, none of them
/// reserved. Where it stands is added with [`Labels::placed`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(
    try_from = "BTreeMap<LabelKey, LabelValue>",
    into = "BTreeMap<LabelKey, LabelValue>"
)]
pub struct Labels(BTreeMap<LabelKey, LabelValue>);

impl TryFrom<BTreeMap<LabelKey, LabelValue>> for Labels {
    type Error = InvalidLabel;

    fn try_from(labels: BTreeMap<LabelKey, LabelValue>) -> Result<Self, InvalidLabel> {
        if labels.len() > LABELS_MAX {
            return Err(InvalidLabel::TooMany(labels.len()));
        }
        if let Some(key) = labels.keys().find(|key| key.is_reserved()) {
            return Err(InvalidLabel::Reserved(key.to_string()));
        }
        Ok(Self(labels))
    }
}

impl From<Labels> for BTreeMap<LabelKey, LabelValue> {
    fn from(labels: Labels) -> Self {
        labels.0
    }
}

impl Labels {
    /// Keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&LabelKey, &LabelValue)> {
        self.0.iter()
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These labels and where the instance stands: everything that a [`Selector`] looks at.
    pub fn placed(&self, place: &Place<'_>) -> Placed {
        let own = self
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()));
        let known = [
            (REGION, Some(place.region.as_str())),
            (ZONE, place.zone.map(ZoneName::as_str)),
            (HOST, place.host.map(HostName::as_str)),
        ];
        let known = known
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
        Placed(own.chain(known).collect())
    }
}

/// Where an instance stands, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// In which region.
    pub region: &'a RegionName,
    /// In which zone.
    pub zone: Option<&'a ZoneName>,
    /// On which host.
    pub host: Option<&'a HostName>,
}

/// An instance's labels together with where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Placed(BTreeMap<String, String>);

impl Placed {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Result<Labels, InvalidLabel> {
        let parsed = pairs
            .iter()
            .map(|(key, value)| Ok((key.parse()?, value.parse()?)));
        parsed
            .collect::<Result<BTreeMap<_, _>, InvalidLabel>>()?
            .try_into()
    }

    #[test]
    fn keys_are_lower_case_words_and_values_words() {
        for good in ["role", "a", "example.com/tier", "x_1", &"k".repeat(63)] {
            assert!(good.parse::<LabelKey>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "A",
            "-a",
            "a-",
            "a=b",
            "a b",
            "a,b",
            "!a",
            "é",
            "a\n",
            &"k".repeat(64),
        ] {
            assert!(bad.parse::<LabelKey>().is_err(), "{bad:?}");
        }
        for good in ["canary", "V1.2+x", "10.0.0.1:80", "a/b"] {
            assert!(good.parse::<LabelValue>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "a=b", "a,b", ".a", "a\0b", &"v".repeat(64)] {
            assert!(bad.parse::<LabelValue>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn labels_are_few_and_never_say_where_an_instance_stands() {
        assert!(labels(&[("role", "web"), ("tier", "1")]).is_ok());
        assert_eq!(
            labels(&[("zone", "a")]),
            Err(InvalidLabel::Reserved("zone".to_owned()))
        );
        let many: BTreeMap<_, _> = (0..=LABELS_MAX)
            .map(|number| (format!("k{number}").parse().unwrap(), "v".parse().unwrap()))
            .collect();
        assert_eq!(Labels::try_from(many), Err(InvalidLabel::TooMany(LABELS_MAX + 1)));
    }

    #[test]
    fn labels_are_checked_when_they_are_deserialised() {
        let error = serde_json::from_str::<Labels>(r#"{"region": "x"}"#).unwrap_err();
        assert!(error.to_string().contains("where an instance stands"), "{error}");
        let error = serde_json::from_str::<Labels>(r#"{"Role": "x"}"#).unwrap_err();
        assert!(error.to_string().contains("not a label's key"), "{error}");
    }
}
