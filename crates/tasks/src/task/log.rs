//! A task's log file: kept from filling the disk, and read while it grows.
//!
//! The process writes to the file directly, not through us: it must go on logging while the agent is away. So the file
//! can be neither renamed from under it nor copied aside without losing what is written meanwhile. Instead the blocks of
//! its oldest part are given back to the file system, as a hole (fallocate(2), `FALLOC_FL_PUNCH_HOLE`). Nothing newer is
//! touched, and a place in the log stays the same number of bytes from its beginning for good.

use super::LogFile;
use crate::Error;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use model::task_log::LogStart;
use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, fchown};
use std::path::Path;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often a log's size is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A log may be longer than it should by this part of it before anything is done, so that little is done seldom.
const SLACK_PART: u64 = 8;

/// A part of a log as it lies on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBytes {
    /// How many bytes before it were asked for and are gone.
    pub gone_bytes: u64,
    /// What was written there.
    pub bytes: Vec<u8>,
    /// The place behind it.
    pub next: u64,
    /// Where the log ends.
    pub end: u64,
}

/// Opens a log for a process of this user, or of the agent's own. Blocks.
pub(super) fn open(log: &LogFile, user: Option<u32>) -> Result<File, Error> {
    let opened = append(&log.path).and_then(|file| {
        if user.is_some() {
            fchown(&file, user, user)?;
        }
        Ok(file)
    });
    opened.map_err(|source| Error::Prepare {
        path: log.path.clone(),
        source,
    })
}

fn append(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    let mut options = fs_err::OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(path)?;
    Ok(file.into_parts().0)
}

impl LogFile {
    /// Writes a line of our own behind what the process wrote last. Blocks.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn say(&self, line: &str) -> io::Result<()> {
        self.append(format!("{line}\n").as_bytes())
    }

    /// Writes behind what was written last, in one piece. Blocks.
    pub(crate) fn append(&self, text: &[u8]) -> io::Result<()> {
        // One write, so that nothing of the process comes between.
        append(&self.path)?.write_all(text)
    }

    /// Reads a part, at most `bytes_max` long. Where what was asked for is gone, the part begins with the first whole
    /// line that is left. Blocks.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn read(&self, start: LogStart, bytes_max: usize) -> io::Result<LogBytes> {
        let file = fs_err::File::open(&self.path)?.into_parts().0;
        let end = file.metadata()?.len();
        let kept = first_kept(&file, end)?;
        let bytes_max = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        let asked = match start {
            // Beyond the end there was another file once.
            LogStart::At(place) if place > end => 0,
            LogStart::At(place) => place,
            LogStart::Tail(_) => end.saturating_sub(bytes_max).max(kept),
        };
        let begin = asked.max(kept);
        let mut bytes = vec![0; usize::try_from(bytes_max.min(end.saturating_sub(begin))).unwrap_or(0)];
        let length = read_at(&file, &mut bytes, begin)?;
        bytes.truncate(length);
        let next = begin + length as u64;
        let torn = begin > asked || (begin > 0 && matches!(start, LogStart::Tail(_)));
        let mut dropped = if torn { behind_line(&bytes) } else { 0 };
        if let LogStart::Tail(lines) = start {
            dropped = dropped.max(tail(&bytes, lines));
        }
        bytes.drain(..dropped);
        Ok(LogBytes {
            gone_bytes: match start {
                LogStart::At(_) => begin - asked + dropped as u64,
                LogStart::Tail(_) => 0,
            },
            bytes,
            next,
            end,
        })
    }
}

/// Where the first line's rest ends.
fn behind_line(bytes: &[u8]) -> usize {
    let newline = bytes.iter().position(|byte| *byte == b'\n');
    newline.map_or(0, |end| end + 1)
}

/// Where the last `lines` lines begin. A last line without its end is one, too.
fn tail(bytes: &[u8], lines: u32) -> usize {
    let ends = bytes.strip_suffix(b"\n").unwrap_or(bytes).iter().enumerate();
    let mut newlines = ends.rev().filter(|(_, byte)| **byte == b'\n');
    match usize::try_from(lines).unwrap_or(usize::MAX).checked_sub(1) {
        Some(before) => newlines.nth(before).map_or(0, |(end, _)| end + 1),
        None => bytes.len(),
    }
}

/// Reads as much as there is; the file may have become shorter meanwhile.
fn read_at(file: &File, bytes: &mut [u8], place: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], place + length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Where what is kept begins.
fn first_kept(file: &File, end: u64) -> io::Result<u64> {
    match seek(file, SeekFrom::Data(0)) {
        Ok(place) => Ok(place.min(end)),
        Err(Errno::NXIO) => Ok(end),
        // A file system without holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Looks again and again; never ends by itself.
pub(super) async fn keep_bounded(log: &LogFile) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let looked = {
            let log = log.clone();
            tokio::task::spawn_blocking(move || bound(&log))
        };
        if let Err(error) = looked.await.map_err(io::Error::other).flatten() {
            tracing::warn!(log.path = %log.path.display(), %error, "failed to keep a task's log from growing");
        }
    }
}

/// Gives back the oldest part of a log that is too long.
fn bound(log: &LogFile) -> io::Result<()> {
    let file = match fs_err::OpenOptions::new().write(true).open(&log.path) {
        Ok(file) => file.into_parts().0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    let kept = found.len() - first_kept(&file, found.len())?;
    if kept <= log.length_max.saturating_add(log.length_max / SLACK_PART) {
        return Ok(());
    }
    // Of a block that is given back in part only, the bytes would be overwritten and not freed.
    let block = found.blksize().max(1);
    let gone = (found.len() - log.length_max) / block * block;
    match fallocate(
        &file,
        FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
        0,
        gone,
    ) {
        Ok(()) => Ok(()),
        // Where no part can be given back, the whole is; whoever follows sees that the log begins anew.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(0),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &[u8], length_max: u64) -> (tempfile::TempDir, LogFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs_err::write(&path, text).unwrap();
        (folder, LogFile { path, length_max })
    }

    fn lines(count: usize) -> Vec<u8> {
        (0..count)
            .flat_map(|number| format!("{number:09}\n").into_bytes())
            .collect()
    }

    #[test]
    fn the_last_lines_are_read_whole_whether_or_not_the_last_one_has_ended() {
        for (text, count, expected) in [
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\nb\n", 9, "a\nb\n"),
            ("a\n", 0, ""),
            ("\n\n", 1, "\n"),
            ("", 3, ""),
        ] {
            let (_folder, log) = log(text.as_bytes(), 100);
            let read = log.read(LogStart::Tail(count), 100).unwrap();
            assert_eq!(
                String::from_utf8(read.bytes).unwrap(),
                expected,
                "{text:?} {count}"
            );
            assert_eq!((read.next, read.gone_bytes), (text.len() as u64, 0));
        }
        let (_folder, log) = log(&lines(10), 1_000);
        let read = log.read(LogStart::Tail(9), 25).unwrap();
        assert_eq!(
            read.bytes, b"000000008\n000000009\n",
            "as many whole lines as fit"
        );
    }

    #[test]
    fn a_log_is_read_on_from_where_it_was_read_to_and_says_what_is_gone() {
        let text = lines(100_000);
        let (_folder, log) = log(&text, 100_000);
        bound(&log).unwrap();
        let first = log.read(LogStart::At(0), 1_000).unwrap();
        assert!(
            (880_000..=900_010).contains(&first.gone_bytes),
            "{}",
            first.gone_bytes
        );
        let mut place = first.gone_bytes;
        assert_eq!(place % 10, 0, "it begins with a whole line");
        loop {
            let read = log.read(LogStart::At(place), 999).unwrap();
            if read.bytes.is_empty() {
                break;
            }
            let from = usize::try_from(place).unwrap();
            assert_eq!(read.bytes, text[from..from + read.bytes.len()]);
            assert_eq!((read.next, read.gone_bytes), (place + read.bytes.len() as u64, 0));
            place = read.next;
        }
        assert_eq!(place, text.len() as u64);
        log.say("[starling] hello").unwrap();
        let read = log.read(LogStart::At(place), 999).unwrap();
        assert_eq!(read.bytes, b"[starling] hello\n");
        assert_eq!(log.read(LogStart::At(u64::MAX), 9).unwrap().end, read.end);
    }

    #[test]
    fn a_log_that_is_short_enough_stays_as_it_is() {
        let text = lines(10_000);
        let (_folder, log) = log(&text, 95_000);
        bound(&log).unwrap();
        assert_eq!(log.read(LogStart::At(0), usize::MAX).unwrap().bytes, text);
    }
}
