//! Which instances are meant: `role=web,zone!=us-east-1a,canary`.

use super::{InvalidLabel, LabelKey, LabelValue, Labels, Placed};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The most terms of one selector.
pub const TERMS_MAX: usize = 16;
/// The longest text of a selector, in bytes; all terms that one may have fit.
pub const SELECTOR_LENGTH_MAX: usize = TERMS_MAX * (2 * super::LABEL_LENGTH_MAX + 3);

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Term {
    /// `key=value`: the instance has the label with this value.
    Is(LabelKey, LabelValue),
    /// `key!=value`: it has another value, or no such label.
    IsNot(LabelKey, LabelValue),
    /// `key`: it has the label, whatever its value.
    Has(LabelKey),
    /// `!key`: it has no such label.
    HasNot(LabelKey),
}

impl Term {
    /// The label that it is about.
    pub const fn key(&self) -> &LabelKey {
        match self {
            Self::Is(key, _) | Self::IsNot(key, _) | Self::Has(key) | Self::HasNot(key) => key,
        }
    }

    fn matches(&self, labels: &Placed) -> bool {
        match self {
            Self::Is(key, value) => labels.get(key.as_str()) == Some(value.as_str()),
            Self::IsNot(key, value) => labels.get(key.as_str()) != Some(value.as_str()),
            Self::Has(key) => labels.get(key.as_str()).is_some(),
            Self::HasNot(key) => labels.get(key.as_str()).is_none(),
        }
    }
}

impl FromStr for Term {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, InvalidLabel> {
        if let Some((key, value)) = text.split_once("!=") {
            return Ok(Self::IsNot(key.parse()?, value.parse()?));
        }
        if let Some((key, value)) = text.split_once('=') {
            return Ok(Self::Is(key.parse()?, value.parse()?));
        }
        match text.strip_prefix('!') {
            Some(key) => Ok(Self::HasNot(key.parse()?)),
            None => Ok(Self::Has(text.parse()?)),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(key, value) => write!(formatter, "{key}={value}"),
            Self::IsNot(key, value) => write!(formatter, "{key}!={value}"),
            Self::Has(key) => write!(formatter, "{key}"),
            Self::HasNot(key) => write!(formatter, "!{key}"),
        }
    }
}

/// Conditions that all must hold, at most [`TERMS_MAX`]. Without any it matches every instance. Written as its terms,
/// with commas between them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector(Vec<Term>);

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelector {
    /// One of its terms means nothing.
    #[error(transparent)]
    Term(#[from] InvalidLabel),
    /// More than is looked at.
    #[error("a selector has at most {TERMS_MAX} terms")]
    TooLong,
}

impl Selector {
    /// Of these terms; the same term twice is one.
    pub fn new(terms: impl IntoIterator<Item = Term>) -> Result<Self, InvalidSelector> {
        let mut kept = Vec::new();
        for term in terms {
            if kept.contains(&term) {
                continue;
            }
            if kept.len() == TERMS_MAX {
                return Err(InvalidSelector::TooLong);
            }
            kept.push(term);
        }
        Ok(Self(kept))
    }

    /// Its conditions.
    pub fn terms(&self) -> &[Term] {
        &self.0
    }

    /// The labels that it speaks of, as often as it does.
    pub fn keys(&self) -> impl Iterator<Item = &LabelKey> {
        self.0.iter().map(Term::key)
    }

    /// Whether whatever the other matches is matched by this one too, as far as their terms show.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.iter().all(|term| other.0.contains(term))
    }

    /// Whether it matches every instance.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all its terms hold.
    pub fn matches(&self, labels: &Placed) -> bool {
        self.0.iter().all(|term| term.matches(labels))
    }
}

impl TryFrom<Labels> for Selector {
    type Error = InvalidSelector;

    /// Exactly these values.
    fn try_from(labels: Labels) -> Result<Self, InvalidSelector> {
        let terms = labels
            .iter()
            .map(|(key, value)| Term::Is(key.clone(), value.clone()));
        Self::new(terms)
    }
}

impl FromStr for Selector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, InvalidSelector> {
        if text.len() > SELECTOR_LENGTH_MAX {
            return Err(InvalidSelector::TooLong);
        }
        if text.is_empty() {
            return Ok(Self::default());
        }
        let terms: Result<Vec<Term>, _> = text.split(',').map(|term| term.trim().parse()).collect();
        Self::new(terms?)
    }
}

impl TryFrom<String> for Selector {
    type Error = InvalidSelector;

    fn try_from(text: String) -> Result<Self, InvalidSelector> {
        text.parse()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            term.fmt(formatter)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Few of each, so that terms and labels meet.
    fn key() -> impl Strategy<Value = LabelKey> {
        prop::sample::select(vec!["role", "tier", "example.com/x"]).prop_map(|key| key.parse().unwrap())
    }

    fn value() -> impl Strategy<Value = LabelValue> {
        prop::sample::select(vec!["web", "1", "v1.2+x"]).prop_map(|value| value.parse().unwrap())
    }

    fn term() -> impl Strategy<Value = Term> {
        prop_oneof![
            (key(), value()).prop_map(|(key, value)| Term::Is(key, value)),
            (key(), value()).prop_map(|(key, value)| Term::IsNot(key, value)),
            key().prop_map(Term::Has),
            key().prop_map(Term::HasNot),
        ]
    }

    fn labels() -> impl Strategy<Value = Labels> {
        prop::collection::btree_map(key(), value(), 0..4).prop_map(|map| Labels::try_from(map).unwrap())
    }

    fn placed(labels: &Labels) -> Placed {
        labels.placed(&Place {
            region: &"us-east-1".parse().unwrap(),
            zone: Some(&"us-east-1a".parse().unwrap()),
            host: None,
        })
    }

    fn opposite(term: &Term) -> Term {
        match term.clone() {
            Term::Is(key, value) => Term::IsNot(key, value),
            Term::IsNot(key, value) => Term::Is(key, value),
            Term::Has(key) => Term::HasNot(key),
            Term::HasNot(key) => Term::Has(key),
        }
    }

    proptest! {
        #[test]
        fn a_selector_is_read_back_as_it_was_written(terms in prop::collection::vec(term(), 0..8)) {
            let selector = Selector::new(terms).unwrap();
            prop_assert_eq!(selector.to_string().parse(), Ok(selector));
        }

        #[test]
        fn of_a_term_and_its_opposite_exactly_one_holds(term in term(), labels in labels()) {
            let placed = placed(&labels);
            prop_assert_ne!(term.matches(&placed), opposite(&term).matches(&placed));
        }

        #[test]
        fn every_term_narrows_a_selector(
            terms in prop::collection::vec(term(), 0..6), more in term(), labels in labels(),
        ) {
            let narrow = Selector::new(terms.iter().cloned().chain([more])).unwrap();
            let wide = Selector::new(terms).unwrap();
            let placed = placed(&labels);
            prop_assert!(wide.matches(&placed) || !narrow.matches(&placed));
        }

        #[test]
        fn a_selector_that_covers_another_matches_whatever_that_one_does(
            one in prop::collection::vec(term(), 0..4), other in prop::collection::vec(term(), 0..4),
            labels in labels(),
        ) {
            let (one, other) = (Selector::new(one).unwrap(), Selector::new(other).unwrap());
            let placed = placed(&labels);
            prop_assert!(!one.covers(&other) || !other.matches(&placed) || one.matches(&placed));
            prop_assert!(one.covers(&one) && Selector::default().covers(&one));
        }

        #[test]
        fn labels_match_the_selector_that_is_made_of_them(labels in labels()) {
            let selector = Selector::try_from(labels.clone()).unwrap();
            prop_assert!(selector.matches(&placed(&labels)));
        }

        #[test]
        fn no_text_breaks_the_parser(text in ".{0,80}") {
            if let Ok(selector) = text.parse::<Selector>() {
                prop_assert_eq!(selector.to_string().parse(), Ok(selector));
            }
        }
    }

    #[test]
    fn a_selector_sees_where_an_instance_stands() {
        let placed = placed(&Labels::default());
        for (text, holds) in [
            ("", true),
            ("region=us-east-1", true),
            ("region=us-east-1, zone!=us-east-1a", false),
            ("zone,!host", true),
            ("role=web", false),
        ] {
            assert_eq!(
                text.parse::<Selector>().unwrap().matches(&placed),
                holds,
                "{text}"
            );
        }
    }

    #[test]
    fn nonsense_is_no_selector() {
        for bad in ["a=", "=b", "a==b", "a=b,", ",", "!", "a!b", "!a=b", "a=b c"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad:?}");
        }
        let many: Vec<String> = (0..=TERMS_MAX).map(|number| format!("k{number}")).collect();
        assert_eq!(many.join(",").parse::<Selector>(), Err(InvalidSelector::TooLong));
    }

    #[test]
    fn labels_have_one_value_a_key() {
        let map: BTreeMap<LabelKey, LabelValue> = [("role".parse().unwrap(), "web".parse().unwrap())].into();
        let placed = placed(&Labels::try_from(map).unwrap());
        assert!("role=web".parse::<Selector>().unwrap().matches(&placed));
        assert!(!"role=web,role=db".parse::<Selector>().unwrap().matches(&placed));
    }
}
