//! A selector in the database's words.

use model::labels::{Selector, Term};
use serde_json::{Value, json};

/// What must hold of a row's labels; the values of [`LabelTerms`] are `$2` to `$5`.
macro_rules! label_terms {
    () => {
        "labels @> $2 AND labels ?& $3 AND NOT labels ?| $4
         AND NOT EXISTS (SELECT FROM unnest($5::jsonb[]) AS term (label) WHERE labels @> term.label)"
    };
}
pub(super) use label_terms;

/// A selector's terms by their kind.
pub(super) struct LabelTerms {
    pub(super) is: Value,
    pub(super) has: Vec<String>,
    pub(super) has_not: Vec<String>,
    pub(super) is_not: Vec<Value>,
}

impl LabelTerms {
    /// `None` where two terms ask for two values of one label.
    pub(super) fn of(selector: &Selector) -> Option<Self> {
        let mut is = serde_json::Map::new();
        let (mut has, mut has_not, mut is_not) = (Vec::new(), Vec::new(), Vec::new());
        for term in selector.terms() {
            match term {
                Term::Is(key, value) => {
                    let value = Value::from(value.as_str());
                    let before = is.insert(key.to_string(), value.clone());
                    if before.is_some_and(|before| before != value) {
                        return None;
                    }
                }
                Term::IsNot(key, value) => is_not.push(json!({ (key.as_str()): value.as_str() })),
                Term::Has(key) => has.push(key.to_string()),
                Term::HasNot(key) => has_not.push(key.to_string()),
            }
        }
        let is = Value::Object(is);
        Some(Self {
            is,
            has,
            has_not,
            is_not,
        })
    }
}
