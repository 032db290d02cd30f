//! The audit trail as a chain: each entry's hash covers the entry and the hash before it, so that none can be changed,
//! left out or put in without every later hash being another.

use jiff::Timestamp;
use model::Actor;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Begins what is hashed, so that a hash made for another purpose is worth nothing.
const DOMAIN: &[u8] = b"starling audit entry 1\0";

/// One thing that somebody did. Its canonical form is JSON with its keys in order and without spaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What was done, such as `deploy`.
    pub action: String,
    /// Who did it.
    pub actor: Actor,
    /// When, by the database's clock.
    pub at: Timestamp,
    /// Everything else that is known of it.
    pub detail: Value,
    /// 1, 2, 3 … without a gap.
    pub number: i64,
    /// What it was done to, such as a service's name.
    pub subject: String,
}

/// The hash of an entry and of all before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Link(pub [u8; 32]);

impl Link {
    /// Before the first entry.
    pub const NONE: Self = Self([0; 32]);

    /// The link of the entry that comes next and whose canonical form this is.
    pub fn next(&self, canonical: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(DOMAIN).update(&self.0).update(canonical.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }
}

impl fmt::Display for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Link({self})")
    }
}

impl Entry {
    /// The text that is hashed and kept.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        // Its fields are texts, a number and JSON already, so it has a JSON form.
        write_canonical(&serde_json::to_value(self).unwrap_or_default(), &mut text);
        text
    }
}

/// JSON with keys in the order of their bytes and without spaces, as RFC 8785 has it; our numbers are whole.
fn write_canonical(value: &Value, into: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_unstable();
            into.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    into.push(',');
                }
                into.push_str(&Value::from(key.as_str()).to_string());
                into.push(':');
                write_canonical(fields.get(key).unwrap_or(&Value::Null), into);
            }
            into.push('}');
        }
        Value::Array(items) => {
            into.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    into.push(',');
                }
                write_canonical(item, into);
            }
            into.push(']');
        }
        simple => into.push_str(&simple.to_string()),
    }
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its canonical form.
    pub canonical: String,
    /// The link that was written with it.
    pub link: Link,
}

/// Where a chain was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} of the audit trail is not what was written: {what}")]
pub struct Broken {
    /// The first entry that does not fit.
    pub number: i64,
    /// How.
    pub what: &'static str,
}

/// Follows a chain, portion by portion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verifier {
    /// The number of the last entry that fits; 0 before the first.
    pub number: i64,
    /// Its link.
    pub link: Link,
}

impl Default for Verifier {
    fn default() -> Self {
        Self {
            number: 0,
            link: Link::NONE,
        }
    }
}

impl Verifier {
    /// Takes the next entry.
    pub fn take(&mut self, kept: &Kept) -> Result<Entry, Broken> {
        let number = self.number + 1;
        let broken = |what| Broken { number, what };
        let entry: Entry = serde_json::from_str(&kept.canonical).map_err(|_| broken("it is no entry"))?;
        if entry.number != number {
            return Err(broken("another stands in its place"));
        }
        let link = self.link.next(&kept.canonical);
        if link != kept.link {
            return Err(broken("its hash is another"));
        }
        *self = Self { number, link };
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn chain(count: i64) -> Vec<Kept> {
        let mut link = Link::NONE;
        let entries = (1..=count).map(|number| Entry {
            action: "deploy".to_owned(),
            actor: "ada".parse().unwrap(),
            at: Timestamp::from_second(number).unwrap(),
            detail: json!({"release": number, "a": [1, {"z": null, "b": "x\n"}]}),
            number,
            subject: "web".to_owned(),
        });
        entries
            .map(|entry| {
                let canonical = entry.canonical();
                link = link.next(&canonical);
                Kept { canonical, link }
            })
            .collect()
    }

    fn verified(chain: &[Kept]) -> Result<(), Broken> {
        let mut verifier = Verifier::default();
        chain.iter().try_for_each(|kept| verifier.take(kept).map(drop))
    }

    #[test]
    fn the_canonical_form_has_its_keys_in_order_and_no_spaces() {
        let text = chain(1).remove(0).canonical;
        assert_eq!(
            text,
            r#"{"action":"deploy","actor":"ada","at":"1970-01-01T00:00:01Z","detail":{"a":[1,{"b":"x\n","z":null}],"release":1},"number":1,"subject":"web"}"#
        );
        let entry: Entry = serde_json::from_str(&text).unwrap();
        assert_eq!(entry.canonical(), text);
    }

    proptest! {
        #[test]
        fn whatever_is_changed_left_out_or_moved_is_found(
            count in 2_i64..12, place in any::<prop::sample::Index>(), kind in 0..4,
        ) {
            let whole = chain(count);
            prop_assert_eq!(verified(&whole), Ok(()));
            let mut chain = whole.clone();
            let at = place.index(chain.len() - 1);
            match kind {
                0 => chain[at].canonical = chain[at].canonical.replace("ada", "eve"),
                1 => chain[at].link.0[7] ^= 1,
                2 => drop(chain.remove(at)),
                _ => chain.swap(at, at + 1),
            }
            let broken = verified(&chain).unwrap_err();
            prop_assert_eq!(broken.number, at as i64 + 1);
        }
    }
}
