//! From where each region copies. Only decides.

use crate::Config;
use database::builds::ReplicaRow;
use model::{ArtifactId, RegionName};
use std::collections::{BTreeMap, BTreeSet};

/// Where the bytes of a copy come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The store that workers put artifacts to.
    Main,
    /// A region that has a verified replica.
    Region(RegionName),
}

impl std::fmt::Display for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Main => formatter.write_str("the main store"),
            Self::Region(region) => write!(formatter, "{region}"),
        }
    }
}

/// One artifact on its way from one store to several: what is read is read once for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) artifact: ArtifactId,
    pub(crate) source: Source,
    pub(crate) replicas: Vec<ReplicaRow>,
}

/// Which regions each region copies from rather than from the main store, the nearest first.
#[derive(Debug)]
pub(crate) struct Routes(BTreeMap<RegionName, Vec<RegionName>>);

/// What the regions hold, as far as it matters for the replicas that are wanted.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    /// The regions with a verified replica, by artifact.
    pub(crate) verified: BTreeMap<ArtifactId, Vec<RegionName>>,
    /// Where a copy could not be read, whatever the database says.
    pub(crate) distrusted: BTreeSet<(ArtifactId, RegionName)>,
}

impl Routes {
    /// As configured; for a region that says nothing, by name: `us-east-2` is nearest to `us-east-1`, then come
    /// `us-west-1` and the like, and `eu-west-1` is no nearer than the main store.
    pub(crate) fn of(config: &Config) -> Self {
        let routes = config.regions.iter().map(|(region, settings)| {
            let near = settings.near.clone();
            let near = near.unwrap_or_else(|| by_name(region, config.regions.keys()));
            (region.clone(), near)
        });
        Self(routes.collect())
    }

    /// Joins replicas that are wanted, those to be copied first at the front, to copies: at most `limit`, in the order
    /// of the first of each.
    pub(crate) fn plan(&self, wanted: Vec<ReplicaRow>, holders: &Holders, limit: usize) -> Vec<Copy> {
        let mut copies: Vec<Copy> = Vec::new();
        for replica in wanted {
            let source = self.source_of(&replica, holders);
            let joined = copies
                .iter_mut()
                .find(|copy| copy.artifact == replica.artifact && copy.source == source);
            match joined {
                Some(copy) => copy.replicas.push(replica),
                None => copies.push(Copy {
                    artifact: replica.artifact,
                    source,
                    replicas: vec![replica],
                }),
            }
        }
        copies.truncate(limit);
        copies
    }

    fn source_of(&self, replica: &ReplicaRow, holders: &Holders) -> Source {
        let verified = holders.verified.get(&replica.artifact);
        let has_it = |region: &&RegionName| {
            verified.is_some_and(|regions| regions.contains(region))
                && !holders
                    .distrusted
                    .contains(&(replica.artifact, (*region).clone()))
        };
        let mut near = self.0.get(&replica.region).into_iter().flatten();
        near.find(has_it).cloned().map_or(Source::Main, Source::Region)
    }
}

/// The regions whose names begin like this one's, those with more segments in common first.
fn by_name<'a>(region: &RegionName, all: impl Iterator<Item = &'a RegionName>) -> Vec<RegionName> {
    let in_common = |other: &RegionName| {
        let pairs = region.as_str().split('-').zip(other.as_str().split('-'));
        pairs.take_while(|(ours, theirs)| ours == theirs).count()
    };
    let others = all.filter(|other| *other != region && in_common(other) > 0);
    let mut near: Vec<RegionName> = others.cloned().collect();
    near.sort_by_key(|other| (std::cmp::Reverse(in_common(other)), other.clone()));
    near
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ReplicaState;

    fn region(name: &str) -> RegionName {
        name.parse().unwrap()
    }

    fn routes(routes: &[(&str, &[&str])]) -> Routes {
        let near = |names: &[&str]| names.iter().map(|name| region(name)).collect();
        Routes(
            routes
                .iter()
                .map(|(of, names)| (region(of), near(names)))
                .collect(),
        )
    }

    fn wanted(artifact: u8, name: &str) -> ReplicaRow {
        ReplicaRow {
            artifact: ArtifactId([artifact; 32]),
            region: region(name),
            state: ReplicaState::Pending,
            copied_bytes: 0,
            total_bytes: 1,
            failures: 0,
            reason: None,
            requested_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            started_at: None,
            verified_at: None,
            checked_at: None,
        }
    }

    fn planned(routes: &Routes, wanted: Vec<ReplicaRow>, holders: &Holders, limit: usize) -> Vec<String> {
        let copies = routes.plan(wanted, holders, limit).into_iter();
        copies
            .map(|copy| {
                let regions: Vec<_> = copy
                    .replicas
                    .iter()
                    .map(|replica| replica.region.as_str())
                    .collect();
                format!(
                    "{} from {} to {}",
                    copy.artifact.0[0],
                    copy.source,
                    regions.join(" ")
                )
            })
            .collect()
    }

    fn held(holders: &[(u8, &[&str])]) -> Holders {
        let verified = holders.iter().map(|(artifact, regions)| {
            let regions = regions.iter().map(|name| region(name)).collect();
            (ArtifactId([*artifact; 32]), regions)
        });
        Holders {
            verified: verified.collect(),
            ..Holders::default()
        }
    }

    #[test]
    fn what_nobody_has_is_read_of_the_main_store_once_for_all() {
        let routes = routes(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]);
        let all = vec![wanted(1, "a"), wanted(2, "a"), wanted(1, "b"), wanted(1, "c")];
        let found = planned(&routes, all, &Holders::default(), 9);
        assert_eq!(
            found,
            ["1 from the main store to a b c", "2 from the main store to a"]
        );
    }

    #[test]
    fn a_region_copies_from_the_nearest_that_has_it_and_can_be_read() {
        let routes = routes(&[("a", &["b", "c"]), ("d", &["c"]), ("e", &[])]);
        let all = || vec![wanted(1, "a"), wanted(1, "d"), wanted(1, "e")];
        let mut holders = held(&[(1, &["b", "c"])]);
        assert_eq!(
            planned(&routes, all(), &holders, 9),
            ["1 from b to a", "1 from c to d", "1 from the main store to e"]
        );
        holders.distrusted.insert((ArtifactId([1; 32]), region("b")));
        assert_eq!(
            planned(&routes, all(), &holders, 9),
            ["1 from c to a d", "1 from the main store to e"]
        );
    }

    #[test]
    fn no_more_copies_are_planned_than_there_is_room_for() {
        let all = vec![wanted(1, "a"), wanted(2, "a"), wanted(3, "a"), wanted(1, "b")];
        let found = planned(&routes(&[]), all, &Holders::default(), 2);
        assert_eq!(
            found,
            ["1 from the main store to a b", "2 from the main store to a"]
        );
    }

    #[test]
    fn names_tell_which_regions_are_near() {
        let all = ["eu-west-1", "us-east-1", "us-east-2", "us-west-1", "europe"].map(region);
        let near = by_name(&region("us-east-1"), all.iter());
        assert_eq!(near, ["us-east-2", "us-west-1"].map(region));
    }
}
