//! What is known of each host whatever it runs, folded to what the control plane has not heard yet.
//!
//! Pure. A host's facts seldom change, so they are told apart from what it says of its services.

use model::region_report::{HostFacts, REPORT_HOSTS_MAX};
use model::{HostName, Labels, ZoneName};
use std::collections::{BTreeSet, HashMap};

/// The facts of a region's hosts.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    known: HashMap<HostName, Told>,
    /// Those of whom there is news.
    news: BTreeSet<HostName>,
}

#[derive(Debug)]
struct Told {
    now: HostFacts,
    /// What the control plane has accepted.
    accepted: Option<HostFacts>,
}

impl Facts {
    /// A host has spoken.
    pub(crate) fn hear(&mut self, host: &HostName, zone: &ZoneName, labels: &Labels) {
        let same = |facts: &HostFacts| facts.alive && facts.zone == *zone && facts.labels == *labels;
        if self.known.get(host).is_some_and(|told| same(&told.now)) {
            return;
        }
        let now = HostFacts {
            host: host.clone(),
            zone: zone.clone(),
            labels: labels.clone(),
            alive: true,
        };
        let accepted = self.known.remove(host).and_then(|told| told.accepted);
        self.known.insert(host.clone(), Told { now, accepted });
        self.note(host);
    }

    /// A host is not heard of any more.
    pub(crate) fn lose(&mut self, host: &HostName) {
        if let Some(told) = self.known.get_mut(host) {
            told.now.alive = false;
            self.note(host);
        }
    }

    /// How many hosts are known.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Keeps only hosts like these.
    pub(crate) fn retain(&mut self, keeps: impl Fn(&HostName) -> bool) {
        self.known.retain(|host, _| keeps(host));
        self.news.retain(|host| keeps(host));
    }

    /// What the control plane has not accepted yet, at most [`REPORT_HOSTS_MAX`].
    pub(crate) fn changes(&self) -> Vec<HostFacts> {
        let news = self.news.iter().filter_map(|host| self.known.get(host));
        news.take(REPORT_HOSTS_MAX).map(|told| told.now.clone()).collect()
    }

    /// Remembers that the control plane has accepted these.
    pub(crate) fn accept(&mut self, accepted: Vec<HostFacts>) {
        for facts in accepted {
            let host = facts.host.clone();
            if let Some(told) = self.known.get_mut(&host) {
                told.accepted = Some(facts);
                self.note(&host);
            }
        }
    }

    fn note(&mut self, host: &HostName) {
        let told = self.known.get(host);
        if told.is_some_and(|told| told.accepted.as_ref() != Some(&told.now)) {
            self.news.insert(host.clone());
        } else {
            self.news.remove(host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: usize) -> HostName {
        format!("h{number}").parse().unwrap()
    }

    fn hear(facts: &mut Facts, number: usize, zone: &str) {
        facts.hear(&host(number), &zone.parse().unwrap(), &Labels::default());
    }

    #[test]
    fn a_host_is_told_until_it_is_accepted_and_again_when_something_changes() {
        let mut facts = Facts::default();
        hear(&mut facts, 1, "a");
        let told = facts.changes();
        assert_eq!(told.len(), 1);
        assert_eq!(facts.changes(), told, "until it is accepted it is told again");
        facts.accept(told.clone());
        hear(&mut facts, 1, "a");
        assert_eq!(facts.changes(), [], "the same again is no news");

        facts.lose(&host(1));
        let lost = facts.changes();
        assert!(!lost[0].alive);
        hear(&mut facts, 1, "a");
        assert_eq!(facts.changes(), [], "it is back before anybody was told");
        hear(&mut facts, 1, "b");
        assert_eq!(facts.changes()[0].zone.as_str(), "b");
        facts.accept(told);
        assert_eq!(facts.changes().len(), 1, "what was accepted late is old by now");
    }

    #[test]
    fn many_hosts_are_told_in_portions_and_a_forgotten_one_is_not() {
        let mut facts = Facts::default();
        for number in 0..REPORT_HOSTS_MAX + 5 {
            hear(&mut facts, number, "a");
        }
        facts.retain(|name| *name != host(0));
        let mut told = 0;
        loop {
            let portion = facts.changes();
            if portion.is_empty() {
                break;
            }
            assert!(portion.len() <= REPORT_HOSTS_MAX);
            told += portion.len();
            facts.accept(portion);
        }
        assert_eq!(told, REPORT_HOSTS_MAX + 4);
    }
}
