//! A deployment that asks for hosts which are not there.

use axum::http::StatusCode;
use database::builds::{FleetMismatch, KnownLabel};
use model::Selector;
use model::labels::Term;

/// How many labels a refusal lists.
const LABELS_LISTED_MAX: usize = 10;

pub(super) const fn code(mismatch: &FleetMismatch) -> (&'static str, StatusCode) {
    match mismatch {
        FleetMismatch::Nobody { .. } => ("no_host_matches", StatusCode::UNPROCESSABLE_ENTITY),
        FleetMismatch::TooLarge { .. } => ("larger_than_fleet", StatusCode::UNPROCESSABLE_ENTITY),
    }
}

pub(super) fn next(mismatch: &FleetMismatch) -> String {
    match mismatch {
        FleetMismatch::Nobody { known, .. } if known.is_empty() => {
            "wait until hosts are heard of (`starling instances`), or leave the labels out".to_owned()
        }
        FleetMismatch::Nobody { selector, known, .. } => listed(selector, known),
        FleetMismatch::TooLarge { hosts, .. } => {
            format!("give at most {hosts}, or a percentage such as \"10%\"")
        }
    }
}

/// The labels that come nearest to what was asked for.
fn listed(selector: &Selector, known: &[KnownLabel]) -> String {
    let mut labels: Vec<&KnownLabel> = known.iter().collect();
    // Stable, so that of labels that are as near those of more hosts stay ahead.
    labels.sort_by_key(|label| distance(selector, label));
    let shown: Vec<String> = labels
        .iter()
        .take(LABELS_LISTED_MAX)
        .map(|label| format!("{}={} ({})", label.key, label.value, label.hosts))
        .collect();
    let more = labels.len().saturating_sub(LABELS_LISTED_MAX);
    let rest = if more > 0 {
        format!(" and {more} more; `starling instances` shows them")
    } else {
        String::new()
    };
    format!(
        "hosts have these labels, nearest first: {}{rest}",
        shown.join(", ")
    )
}

/// How many letters one would have to mend; another key is worse than another value.
fn distance(selector: &Selector, label: &KnownLabel) -> usize {
    let one = |term: &Term| {
        let key = 4 * strsim::osa_distance(term.key().as_str(), &label.key);
        match term {
            Term::Is(_, value) => key + strsim::osa_distance(value.as_str(), &label.value),
            Term::Has(_) => key,
            // Whoever lacks a label is not found by its value.
            Term::IsNot(..) | Term::HasNot(_) => usize::MAX,
        }
    };
    selector.terms().iter().map(one).min().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(labels: &[(&str, &str, u64)]) -> Vec<KnownLabel> {
        let known = labels.iter().map(|(key, value, hosts)| KnownLabel {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            hosts: *hosts,
        });
        known.collect()
    }

    #[test]
    fn the_label_that_was_meant_comes_first_and_the_list_is_short() {
        let mut labels = known(&[
            ("region", "east", 40),
            ("ring", "fleet", 38),
            ("ring", "canary", 2),
            ("rung", "canary", 1),
        ]);
        for number in 0..100 {
            labels.extend(known(&[("rack", &format!("r{number}"), 1)]));
        }
        let said = listed(&"ring=canray".parse().unwrap(), &labels);
        assert!(said.contains("first: ring=canary (2), "), "{said}");
        assert!(said.contains(" and 94 more"), "{said}");
        assert_eq!(said.matches('=').count(), LABELS_LISTED_MAX, "{said}");
        let said = listed(&"!region".parse().unwrap(), &labels);
        assert!(
            said.contains("first: region=east (40), ring=fleet (38)"),
            "{said}"
        );
    }
}
