//! What a process and all its descendants use, from `/proc`: for machines whose control groups are not ours.

use rustix::process::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// What a family of processes uses now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Census {
    /// How many they are.
    pub(super) processes: u64,
    /// What they hold in memory; what several share counts for each.
    pub(super) resident_bytes: u64,
}

/// One process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    group: u32,
    threads: u64,
    resident_pages: u64,
}

/// Counts the leader, its descendants, and what is in its group.
pub(super) fn of_family(leader: Pid) -> io::Result<Census> {
    let processes = fs_err::read_dir("/proc")?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse::<u32>().ok()?;
        // One that ended meanwhile counts no more.
        let stat = fs_err::read(std::path::Path::new("/proc").join(name).join("stat")).ok()?;
        parse(&stat)
    });
    let leader = leader.as_raw_nonzero().get().unsigned_abs();
    Ok(count(leader, &processes.collect::<Vec<_>>(), page_bytes()?))
}

/// The size of a page, from what the kernel handed to this process at its start (getauxval(3)).
fn page_bytes() -> io::Result<u64> {
    const AT_PAGESZ: usize = 6;
    const WORD: usize = size_of::<usize>();
    let vector = fs_err::read("/proc/self/auxv")?;
    let words = vector.chunks_exact(WORD).filter_map(|word| word.try_into().ok());
    let words: Vec<usize> = words.map(usize::from_ne_bytes).collect();
    let found = words.chunks_exact(2).find(|pair| pair[0] == AT_PAGESZ);
    found
        .map(|pair| pair[1] as u64)
        .ok_or_else(|| io::Error::other("the kernel does not say how large a page is"))
}

fn count(leader: u32, processes: &[Process], page_bytes: u64) -> Census {
    let mut children: BTreeMap<u32, Vec<&Process>> = BTreeMap::new();
    let mut waiting = Vec::new();
    for process in processes {
        if process.pid == leader || process.group == leader {
            waiting.push(process);
        }
        children.entry(process.parent).or_default().push(process);
    }
    let (mut census, mut seen) = (Census::default(), BTreeSet::new());
    while let Some(process) = waiting.pop() {
        if seen.insert(process.pid) {
            census.processes += process.threads;
            census.resident_bytes += process.resident_pages * page_bytes;
            waiting.extend(children.get(&process.pid).into_iter().flatten());
        }
    }
    census
}

/// Reads `/proc/PID/stat` (proc(5)): the name, in parentheses, may itself hold spaces and parentheses.
fn parse(stat: &[u8]) -> Option<Process> {
    let text = String::from_utf8_lossy(stat);
    let (pid, rest) = text.split_once(' ')?;
    let fields: Vec<&str> = rest.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // Field 3, the state, is the first after the name.
    let field = |number: usize| fields.get(number - 3).copied();
    Some(Process {
        pid: pid.parse().ok()?,
        parent: field(4)?.parse().ok()?,
        group: field(5)?.parse().ok()?,
        threads: field(20)?.parse().ok()?,
        resident_pages: field(24)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, group: u32) -> Process {
        Process {
            pid,
            parent,
            group,
            threads: 1,
            resident_pages: 10,
        }
    }

    #[test]
    fn a_family_is_the_leader_its_descendants_and_its_group() {
        let processes = [
            process(1, 0, 1),
            process(50, 1, 50),
            process(51, 50, 51),
            process(52, 51, 52),
            // Its parent ended, and it stayed in the group.
            process(53, 1, 50),
            process(60, 1, 60),
        ];
        let census = count(50, &processes, 4096);
        assert_eq!((census.processes, census.resident_bytes), (4, 40 * 4096));
    }

    #[test]
    fn a_name_that_looks_like_more_fields_is_read_as_a_name() {
        let line = b"42 (a) S 1 2) R 7 8 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 100 1000 77 18446744073709551615";
        let expected = Process {
            pid: 42,
            parent: 7,
            group: 8,
            threads: 3,
            resident_pages: 77,
        };
        assert_eq!(parse(line), Some(expected));
    }

    #[test]
    fn this_very_process_is_counted() {
        let pid = rustix::process::getpid();
        let census = of_family(pid).unwrap();
        assert!(census.processes >= 1 && census.resident_bytes > 0, "{census:?}");
    }
}
