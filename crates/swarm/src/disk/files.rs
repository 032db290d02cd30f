//! The files of all artifacts that are open, and how much of them the system keeps in memory.
//!
//! A piece of a large file opens it once, not once a piece: the files used last stay open, at most
//! [`OPEN_MAX`] of them. Those open for writing are closed before an artifact is sealed, since no system
//! starts a program that somebody may still write to.
//!
//! Files of 10 GB must not push everything else out of the system's memory, least of all the release
//! that runs. What is written is what neighbours ask for next, so the last [`WARM_MAX`] bytes stay; what
//! was written before them, and what was read to be sent or verified, is given back. The advice that
//! does it has a second effect on Linux that is wanted as much: it begins to write dirty pages out
//! (`mm/fadvise.c`: `POSIX_FADV_DONTNEED` starts writeback of the range, then drops what is clean). So
//! each range is named twice: right after it was written, and again once it leaves the warm ones.

use super::options;
use fs_err as fs;
use rustix::fs::{Advice, fadvise};
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files that are open at a time; of more, the one that was used the longest ago is closed.
const OPEN_MAX: usize = 64;
/// Written bytes that stay in the system's memory: a few seconds of 1 Gbit/s, and all of a small artifact,
/// whose program is started soon.
const WARM_MAX: u64 = 256 << 20;
/// Below this a range is too small to be worth a system call: it is dropped with its neighbours, or stays.
const ADVISED_MIN: u64 = 64 << 10;

/// What a file is open for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// One file of one artifact's folder.
#[derive(Debug, Clone)]
pub(super) struct Name {
    /// The folder; the same allocation wherever it is the same.
    pub(super) root: Arc<Path>,
    pub(super) file: usize,
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file && Arc::ptr_eq(&self.root, &other.root)
    }
}

/// A range of an open file.
#[derive(Debug)]
struct Warm {
    file: Arc<fs::File>,
    name: Name,
    offset: u64,
    length: u64,
}

/// The open files of a node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// The one that was used last stands last.
    open: Vec<(Name, Access, Arc<fs::File>)>,
    /// In the order in which they were written.
    warm: VecDeque<Warm>,
    warm_bytes: u64,
}

impl Files {
    /// An open file; opened if it isn't yet.
    pub(super) fn open(&self, name: &Name, path: &Path, access: Access) -> io::Result<Arc<fs::File>> {
        if let Some(file) = self.known().find(name, access) {
            return Ok(file);
        }
        // Opening may take its time, and others need not wait for it. Two may open the same file at once.
        let file = match access {
            Access::Read => options().read(true).open(path)?,
            Access::Write => options().write(true).open(path)?,
        };
        let file = Arc::new(file);
        let mut known = self.known();
        if known.open.len() >= OPEN_MAX {
            known.open.remove(0);
        }
        known.open.push((name.clone(), access, file.clone()));
        Ok(file)
    }

    /// A range was written: the system begins to write it out, and forgets one that was written long ago.
    pub(super) fn written(&self, name: &Name, file: &Arc<fs::File>, offset: u64, length: u64) {
        if length < ADVISED_MIN {
            return;
        }
        forget(file, offset, length);
        let mut cold = Vec::new();
        let mut known = self.known();
        known.warm_bytes += length;
        known.warm.push_back(Warm {
            file: file.clone(),
            name: name.clone(),
            offset,
            length,
        });
        while known.warm_bytes > WARM_MAX
            && let Some(range) = known.warm.pop_front()
        {
            known.warm_bytes -= range.length;
            cold.push(range);
        }
        drop(known);
        for range in cold {
            forget(&range.file, range.offset, range.length);
        }
    }

    /// A range was read: unless it was written lately, nobody needs it soon.
    pub(super) fn read(&self, name: &Name, file: &fs::File, offset: u64, length: u64) {
        if length < ADVISED_MIN {
            return;
        }
        let is_warm = self.known().warm.iter().any(|range| {
            range.name == *name && range.offset < offset + length && offset < range.offset + range.length
        });
        if !is_warm {
            forget(file, offset, length);
        }
    }

    /// Closes what is open for writing in a folder.
    pub(super) fn close_writers(&self, root: &Arc<Path>) {
        let mut known = self.known();
        known
            .open
            .retain(|(name, access, _)| *access == Access::Read || !Arc::ptr_eq(&name.root, root));
        known.cool(root);
    }

    /// Closes everything in a folder.
    pub(super) fn close(&self, root: &Arc<Path>) {
        let mut known = self.known();
        known.open.retain(|(name, _, _)| !Arc::ptr_eq(&name.root, root));
        known.cool(root);
    }

    /// What is known is whole between any two of its steps.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn find(&mut self, name: &Name, access: Access) -> Option<Arc<fs::File>> {
        let found = self
            .open
            .iter()
            .position(|(known, open_for, _)| known == name && *open_for == access)?;
        // At most OPEN_MAX entries move.
        let entry = self.open.remove(found);
        let file = entry.2.clone();
        self.open.push(entry);
        Some(file)
    }

    /// Lets go of the handles of a folder's warm ranges, which stay in memory as long as the system likes.
    fn cool(&mut self, root: &Arc<Path>) {
        self.warm.retain(|range| !Arc::ptr_eq(&range.name.root, root));
        self.warm_bytes = self.warm.iter().map(|range| range.length).sum();
    }
}

/// Tells the system that a range is not needed for a while. Only advice: a file system that doesn't take
/// it is as good as before.
fn forget(file: &fs::File, offset: u64, length: u64) {
    // What the system says to that changes nothing.
    let _ = fadvise(file.file(), offset, NonZeroU64::new(length), Advice::DontNeed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn name(root: &Arc<Path>, file: usize) -> Name {
        Name {
            root: root.clone(),
            file,
        }
    }

    /// A folder with this many files, named by their numbers.
    fn folder(files: usize) -> (tempfile::TempDir, Arc<Path>) {
        let folder = tempfile::tempdir().unwrap();
        for file in 0..files {
            std::fs::write(folder.path().join(file.to_string()), [0; 8]).unwrap();
        }
        let root = folder.path().into();
        (folder, root)
    }

    fn path(root: &Path, file: usize) -> PathBuf {
        root.join(file.to_string())
    }

    #[test]
    fn a_file_is_opened_once_and_the_one_unused_for_longest_is_closed() {
        let (_folder, root) = folder(OPEN_MAX + 1);
        let files = Files::default();
        let open = |file| {
            files
                .open(&name(&root, file), &path(&root, file), Access::Read)
                .unwrap()
        };
        let first = open(0);
        (1..OPEN_MAX).for_each(|file| drop(open(file)));
        assert!(Arc::ptr_eq(&first, &open(0)));
        let second = Arc::downgrade(&open(1));
        // 2 is the one that was used the longest ago now.
        open(OPEN_MAX);
        assert_eq!(files.known().open.len(), OPEN_MAX);
        assert!(files.known().find(&name(&root, 2), Access::Read).is_none());
        assert!(second.upgrade().is_some());
    }

    #[test]
    fn writers_are_closed_before_a_program_may_start_and_everything_with_its_folder() {
        let (_folder, root) = folder(1);
        let files = Files::default();
        let open = |access| files.open(&name(&root, 0), &path(&root, 0), access).unwrap();
        files.written(&name(&root, 0), &open(Access::Write), 0, ADVISED_MIN);
        let reader = Arc::downgrade(&open(Access::Read));
        let writer = Arc::downgrade(&open(Access::Write));
        files.close_writers(&root);
        assert!(writer.upgrade().is_none() && reader.upgrade().is_some());
        files.close(&root);
        assert!(reader.upgrade().is_none());
    }

    #[test]
    fn what_was_written_last_stays_warm_and_no_more() {
        let (_folder, root) = folder(1);
        let files = Files::default();
        let name = name(&root, 0);
        let file = files.open(&name, &path(&root, 0), Access::Write).unwrap();
        let piece = WARM_MAX / 4;
        for number in 0..6 {
            files.written(&name, &file, number * piece, piece);
        }
        let known = files.known();
        let offsets: Vec<u64> = known.warm.iter().map(|range| range.offset / piece).collect();
        assert_eq!(offsets, [2, 3, 4, 5]);
        assert_eq!(known.warm_bytes, WARM_MAX);
    }
}
