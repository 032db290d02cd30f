//! How far a container's output was written into its task's log, so that a later agent goes on there.
//!
//! A runtime counts the time of a line in seconds at worst, so the place is a second and how many of its lines were
//! written. It is stored behind the lines: of an agent that is killed in between, the last lines are written twice.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// The last line that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Place {
    /// When it came, in seconds since 1970.
    pub(super) second: i64,
    /// How many lines of that second were written.
    lines: u64,
}

/// Tells the lines that are new from those that were written before.
#[derive(Debug)]
pub(super) struct Reader {
    written: Place,
    seen: Place,
}

impl Reader {
    pub(super) fn new(written: Place) -> Self {
        Self {
            written,
            seen: Place::default(),
        }
    }

    /// What is new of a line, which begins with its time as RFC 3339 says it. A line without one is new.
    pub(super) fn take<'a>(&mut self, line: &'a [u8]) -> Option<&'a [u8]> {
        let Some((second, text)) = split(line) else {
            return Some(line);
        };
        if second == self.seen.second {
            self.seen.lines += 1;
        } else {
            self.seen = Place { second, lines: 1 };
        }
        let old = second < self.written.second
            || (second == self.written.second && self.seen.lines <= self.written.lines);
        if old {
            return None;
        }
        self.written = self.seen;
        Some(text)
    }

    /// The place behind what was taken.
    pub(super) fn place(&self) -> Place {
        self.written
    }
}

fn split(line: &[u8]) -> Option<(i64, &[u8])> {
    let end = line.iter().take(64).position(|byte| *byte == b' ')?;
    let time: Timestamp = std::str::from_utf8(&line[..end]).ok()?.parse().ok()?;
    Some((time.as_second(), &line[end + 1..]))
}

/// Where the place in a log is stored.
fn file(log: &Path) -> PathBuf {
    let mut name = OsString::from(log);
    name.push(".place");
    name.into()
}

/// The stored place; the beginning where there is none, or none that can be read. Blocks.
pub(super) fn load(log: &Path) -> Place {
    let bytes = fs_err::read(file(log)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Stores a place. Blocks.
pub(super) fn store(log: &Path, place: Place) -> io::Result<()> {
    let file = file(log);
    let beside = file.with_extension("new");
    fs_err::write(&beside, serde_json::to_vec(&place)?)?;
    fs_err::rename(beside, file)
}

/// Forgets the place: the next container's output begins at its beginning. Blocks.
pub(super) fn forget(log: &Path) -> io::Result<()> {
    match fs_err::remove_file(file(log)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 5] = [
        "2026-11-26T09:19:27Z one\n",
        "2026-11-26T09:19:27.9Z two\n",
        "2026-11-26T10:19:28+01:00 three\n",
        "2026-11-26T09:19:28Z four\n",
        "2026-11-26T09:19:30Z five\n",
    ];

    fn texts(reader: &mut Reader, lines: &[&str]) -> String {
        let taken = lines.iter().filter_map(|line| reader.take(line.as_bytes()));
        taken
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect()
    }

    #[test]
    fn wherever_an_agent_ended_the_next_one_writes_the_lines_behind() {
        for end in 0..=LINES.len() {
            let mut first = Reader::new(Place::default());
            let written = texts(&mut first, &LINES[..end]);
            // The next asks from the second on that was written last.
            let from = LINES
                .iter()
                .position(|line| split(line.as_bytes()).unwrap().0 >= first.place().second);
            let mut second = Reader::new(first.place());
            let rest = texts(&mut second, &LINES[from.unwrap_or(0)..]);
            assert_eq!(written + &rest, "one\ntwo\nthree\nfour\nfive\n", "{end}");
        }
    }

    #[test]
    fn a_line_without_a_time_is_not_lost() {
        let mut reader = Reader::new(Place::default());
        assert_eq!(texts(&mut reader, &["no time\n", ""]), "no time\n");
    }

    #[test]
    fn a_place_is_found_again_and_a_damaged_one_is_the_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("1.log");
        assert_eq!(load(&log), Place::default());
        let place = Place { second: 7, lines: 2 };
        store(&log, place).unwrap();
        assert_eq!(load(&log), place);
        std::fs::write(file(&log), "{").unwrap();
        assert_eq!(load(&log), Place::default());
        forget(&log).unwrap();
        forget(&log).unwrap();
    }
}
