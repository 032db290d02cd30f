//! Where groups can be made, by what the kernel says of this process (cgroups(7), "/proc files").

use super::Controller;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The two designs that the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Version {
    /// A tree for each controller, or a few.
    V1,
    /// One tree.
    V2,
}

/// A tree in which groups for builds can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    /// What it limits.
    pub(super) controllers: Vec<Controller>,
    /// Where builds' groups are made.
    pub(super) folder: PathBuf,
}

/// Every tree that limits something and lets us make groups.
pub(super) fn hierarchies(name: &str) -> io::Result<Vec<Hierarchy>> {
    let mounts = fs_err::read_to_string("/proc/self/mountinfo")?;
    let memberships = fs_err::read_to_string("/proc/self/cgroup")?;
    let mut usable = Vec::new();
    let mut refused = None;
    for own in own_groups(&mounts, &memberships) {
        let opened = match own.version {
            Version::V1 => below(own, name),
            Version::V2 => delegate(own, name),
        };
        match opened {
            Ok(hierarchy) if !hierarchy.controllers.is_empty() => usable.push(hierarchy),
            Ok(_) => {}
            Err(error) => refused = Some(error),
        }
    }
    if usable.is_empty() {
        let none = || io::Error::other("no tree of control groups limits memory, cpu or pids");
        return Err(refused.unwrap_or_else(none));
    }
    Ok(usable)
}

/// The groups that this process is in, in every mounted tree.
fn own_groups(mounts: &str, memberships: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in memberships.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(names), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let version = if names.is_empty() {
            Version::V2
        } else {
            Version::V1
        };
        let controllers: Vec<_> = Controller::ALL
            .into_iter()
            .filter(|controller| names.split(',').any(|name| name == controller.name()))
            .collect();
        if version == Version::V1 && controllers.is_empty() {
            continue;
        }
        let folder = mounts
            .lines()
            .filter_map(Mount::parse)
            .find(|mount| mount.holds(version, &controllers))
            .and_then(|mount| mount.folder_of(path));
        found.extend(folder.map(|folder| Hierarchy {
            version,
            controllers,
            folder,
        }));
    }
    found
}

/// One line of `mountinfo`: `36 31 0:33 /root /point rw - cgroup cgroup rw,memory` (proc(5)).
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let mut right = right.split(' ');
        Some(Self {
            root: left.next()?,
            point: left.next()?,
            kind: right.next()?,
            options: right.nth(1)?,
        })
    }

    fn holds(&self, version: Version, controllers: &[Controller]) -> bool {
        match version {
            Version::V2 => self.kind == "cgroup2",
            Version::V1 => {
                let has = |controller: &Controller| self.options.split(',').any(|o| o == controller.name());
                self.kind == "cgroup" && controllers.iter().all(has)
            }
        }
    }

    /// A container sees only a part of the tree, from `root` down.
    fn folder_of(&self, path: &str) -> Option<PathBuf> {
        let below = Path::new(path).strip_prefix(self.root).ok()?;
        Some(Path::new(self.point).join(below))
    }
}

/// In a tree of the first version groups may be made beside processes.
fn below(mut own: Hierarchy, name: &str) -> io::Result<Hierarchy> {
    own.folder.push(format!("starling-{name}"));
    fs_err::create_dir_all(&own.folder)?;
    Ok(own)
}

/// In a tree of the second version a group has processes or groups with controllers, never both (cgroups(7),
/// "no internal processes"): this process moves one level down, beside its builds.
fn delegate(own: Hierarchy, name: &str) -> io::Result<Hierarchy> {
    let offered = fs_err::read_to_string(own.folder.join("cgroup.controllers"))?;
    let controllers: Vec<_> = Controller::ALL
        .into_iter()
        .filter(|controller| offered.split_whitespace().any(|name| name == controller.name()))
        .collect();
    let hierarchy = |folder, controllers| Hierarchy {
        version: Version::V2,
        controllers,
        folder,
    };
    if controllers.is_empty() {
        return Ok(hierarchy(own.folder, controllers));
    }
    let builds = own.folder.join(format!("starling-{name}"));
    let worker = own.folder.join(format!("starling-{name}-worker"));
    fs_err::create_dir_all(&builds)?;
    fs_err::create_dir_all(&worker)?;
    fs_err::write(worker.join("cgroup.procs"), "0")?;
    let wanted: Vec<_> = controllers.iter().map(|one| format!("+{one}")).collect();
    for folder in [&own.folder, &builds] {
        fs_err::write(folder.join("cgroup.subtree_control"), wanted.join(" "))?;
    }
    Ok(hierarchy(builds, controllers))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
25 30 0:23 / /proc rw,nosuid - proc proc rw
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 /docker/x /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn the_own_groups_are_found_in_trees_of_both_versions() {
        let memberships = "8:pids:/\n4:memory:/a/b\n3:cpu,cpuacct:/docker/x/c\n1:name=systemd:/\n0::/user\n";
        let found = own_groups(MOUNTS, memberships);
        let folders: Vec<_> = found
            .iter()
            .map(|own| {
                (
                    own.version,
                    own.controllers.as_slice(),
                    own.folder.to_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            folders,
            [
                (
                    Version::V1,
                    &[Controller::Memory][..],
                    "/sys/fs/cgroup/memory/a/b"
                ),
                (
                    Version::V1,
                    &[Controller::Cpu][..],
                    "/sys/fs/cgroup/cpu,cpuacct/c"
                ),
                (Version::V2, &[][..], "/sys/fs/cgroup/unified/user"),
            ]
        );
    }

    #[test]
    fn a_delegated_group_is_split_into_the_worker_and_its_builds() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("cgroup.controllers"),
            "cpuset cpu io memory pids\n",
        )
        .unwrap();
        let own = Hierarchy {
            version: Version::V2,
            controllers: Vec::new(),
            folder: folder.path().to_owned(),
        };
        let hierarchy = delegate(own, "w").unwrap();
        assert_eq!(hierarchy.controllers, Controller::ALL);
        assert_eq!(hierarchy.folder, folder.path().join("starling-w"));
        let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).unwrap();
        assert_eq!(read("starling-w-worker/cgroup.procs"), "0");
        assert_eq!(read("cgroup.subtree_control"), "+memory +cpu +pids");
        assert_eq!(read("starling-w/cgroup.subtree_control"), "+memory +cpu +pids");
    }

    #[test]
    fn a_tree_that_offers_nothing_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cgroup.controllers"), "hugetlb\n").unwrap();
        let own = Hierarchy {
            version: Version::V2,
            controllers: Vec::new(),
            folder: folder.path().to_owned(),
        };
        assert_eq!(delegate(own, "w").unwrap().controllers, []);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
