//! The walls of the house, held by a machine: which crate may know which, and how large a room is.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::BTreeMap;
use std::path::Path;

/// Every crate's floor; see ARCHITECTURE.md. Arrows point down only.
const FLOORS: &[(u8, &[&str])] = &[
    (0, &["model"]),
    (1, &["artifact", "policy", "retention", "rollout", "swarm-core"]),
    (
        2,
        &[
            "artifact-store",
            "database",
            "desired-state",
            "local-services",
            "proxy-control",
            "repository-mirror",
            "swarm",
            "tasks",
        ],
    ),
    (
        3,
        &[
            "agent",
            "builder",
            "console",
            "controller",
            "enrolment",
            "proxy",
            "region",
            "synchronizer",
        ],
    ),
    (4, &["starling"]),
];

/// Crates that stand beside the house. The simulator drives floor 1; the beacon is what the demo builds; at a
/// failpoint a test kills a process; the load asks a service under way.
const BESIDE: &[(&str, u8)] = &[
    ("failpoint", 0),
    ("load", 2),
    ("simulator", 2),
    ("beacon", 1),
    ("fuzz", 3),
    ("bench-harness", 2),
    ("bench-network", 3),
    ("bench-peers", 4),
    ("bench-postgres", 4),
    ("bench-region", 4),
    ("bench-stores", 4),
];

/// The other benches stand on top of everything, and start the binary as a process: nobody depends on one.
const BENCH: (&str, u8) = ("bench-", 5);

/// The only arrows between rooms of one floor.
const DRAWN: &[(&str, &str)] = &[("swarm-core", "artifact")];

/// Libraries that only one room may know: (library, room). The composition root may wire none of them.
const KEPT_IN: &[(&str, &str)] = &[
    ("sqlx", "database"),
    ("aws-sdk-s3", "artifact-store"),
    ("s3s", "artifact-store"),
    ("etcd-client", "desired-state"),
    ("libp2p", "swarm"),
    ("process-wrap", "tasks"),
    ("bollard", "tasks"),
];

/// What no crate of the floors 0 and 1 may depend on: I/O, runtimes and clocks.
const IMPURE: &[&str] = &[
    "tokio",
    "tokio-util",
    "fs-err",
    "reqwest",
    "tempfile",
    "tracing-subscriber",
    "rustix",
];

/// The longest source file, in lines. A room that outgrows it holds more than one idea.
const FILE_LINES_MAX: usize = 400;

fn metadata() -> Metadata {
    MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo metadata works in this workspace")
}

fn floor_of(name: &str) -> Option<u8> {
    let in_house = FLOORS
        .iter()
        .find(|(_, rooms)| rooms.contains(&name))
        .map(|(floor, _)| *floor);
    let beside = || {
        BESIDE
            .iter()
            .find(|(room, _)| *room == name)
            .map(|(_, floor)| *floor)
    };
    in_house
        .or_else(beside)
        .or_else(|| name.starts_with(BENCH.0).then_some(BENCH.1))
}

fn normal_dependencies(package: &Package) -> impl Iterator<Item = &str> {
    let normal = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.as_str())
}

#[test]
fn every_crate_has_a_floor() {
    let strangers: Vec<_> = metadata()
        .packages
        .into_iter()
        .map(|package| package.name.to_string())
        .filter(|name| floor_of(name).is_none())
        .collect();
    assert!(strangers.is_empty(), "no floor is given for {strangers:?}");
}

#[test]
fn arrows_point_down_only() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let floor = floor_of(&package.name);
        for dependency in normal_dependencies(package) {
            let drawn = DRAWN.contains(&(package.name.as_str(), dependency));
            if floor_of(dependency).is_some_and(|below| floor <= Some(below)) && !drawn {
                wrong.push(format!("{} → {dependency}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "these arrows do not point down: {wrong:?}");
}

#[test]
fn the_pure_floors_know_no_runtime_and_no_clock() {
    for package in metadata()
        .packages
        .iter()
        .filter(|package| floor_of(&package.name) <= Some(1))
    {
        let impure: Vec<_> = normal_dependencies(package)
            .filter(|name| IMPURE.contains(name))
            .collect();
        assert!(impure.is_empty(), "{} depends on {impure:?}", package.name);
    }
}

#[test]
fn each_outside_library_is_known_to_one_room() {
    for package in &metadata().packages {
        for (library, room) in KEPT_IN {
            let knows = normal_dependencies(package).any(|name| name == *library);
            assert!(
                !knows || package.name.as_str() == *room,
                "{} knows {library}; only {room} may",
                package.name
            );
        }
    }
}

#[test]
fn every_crate_opens_with_what_it_is_for() {
    for package in &metadata().packages {
        let root = package
            .targets
            .iter()
            .find(|target| target.is_lib() || target.is_bin())
            .expect("a crate has a root");
        let text = std::fs::read_to_string(&root.src_path).expect("the crate's root is readable");
        assert!(
            text.starts_with("//! ") && text.lines().take_while(|line| line.starts_with("//!")).count() >= 3,
            "{}",
            root.src_path
        );
    }
}

#[test]
fn the_map_names_only_places_that_exist() {
    let top = metadata().workspace_root;
    for page in ["README.md", "ARCHITECTURE.md"] {
        let text = std::fs::read_to_string(top.join(page)).expect("the page is there");
        for quoted in text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|quoted| quoted.contains("/src/"))
        {
            let path = quoted.strip_prefix("crates/").unwrap_or(quoted);
            assert!(
                top.join("crates").join(path).exists(),
                "{page} names {quoted}, which is not there"
            );
        }
    }
}

#[test]
fn no_room_is_too_large() {
    let mut large = BTreeMap::new();
    for package in &metadata().packages {
        let folder = package
            .manifest_path
            .parent()
            .expect("a manifest lies in a folder");
        measure(folder.as_std_path(), &mut large);
    }
    assert!(
        large.is_empty(),
        "longer than {FILE_LINES_MAX} lines, so split by idea: {large:#?}"
    );
}

fn measure(folder: &Path, large: &mut BTreeMap<String, usize>) {
    for entry in std::fs::read_dir(folder)
        .expect("the folder is readable")
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            measure(&path, large);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = std::fs::read_to_string(&path)
                .expect("the source is readable")
                .lines()
                .count();
            if lines > FILE_LINES_MAX {
                large.insert(path.display().to_string(), lines);
            }
        }
    }
}
