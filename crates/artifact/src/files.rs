//! The files of an artifact and where each lies in the content.

use crate::manifest::InvalidManifest;
use crate::path::ArtifactPath;
use crate::{CONTENT_LENGTH_MAX, FILES_MAX};
use std::ops::Range;

/// One file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it lies in the artifact.
    pub path: ArtifactPath,
    /// Whether its owner may run it; no other mode bit travels.
    pub executable: bool,
    /// Its length in bytes.
    pub length: u64,
}

/// Bytes of the content that lie together in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// An index into the artifact's files.
    pub file: usize,
    /// The first byte, counted from the file's start.
    pub offset: u64,
    /// How many bytes; never 0.
    pub length: u64,
}

/// Files that can lie together in one folder tree, in the order of their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileTable {
    entries: Vec<FileEntry>,
    /// Where each file begins in the content.
    starts: Vec<u64>,
    total_length: u64,
}

impl FileTable {
    pub(crate) fn new(entries: Vec<FileEntry>) -> Result<Self, InvalidManifest> {
        if entries.is_empty() {
            return Err(InvalidManifest::NoFiles);
        }
        if entries.len() > FILES_MAX {
            return Err(InvalidManifest::TooManyFiles(entries.len() as u64));
        }
        for pair in entries.windows(2) {
            if pair[0].path >= pair[1].path {
                return Err(InvalidManifest::Order(pair[1].path.clone()));
            }
        }
        check_clashes(&entries)?;
        let mut starts = Vec::with_capacity(entries.len());
        let mut total_length = 0u64;
        for entry in &entries {
            starts.push(total_length);
            total_length = total_length
                .checked_add(entry.length)
                .filter(|&sum| sum <= CONTENT_LENGTH_MAX)
                .ok_or(InvalidManifest::ContentTooLong)?;
        }
        Ok(Self {
            entries,
            starts,
            total_length,
        })
    }

    pub(crate) fn entries(&self) -> &[FileEntry] {
        &self.entries
    }

    pub(crate) fn total_length(&self) -> u64 {
        self.total_length
    }

    /// Where a range of the content lies in the files, in order. What is beyond the content's end is
    /// left out.
    pub(crate) fn segments(&self, range: Range<u64>) -> impl Iterator<Item = Segment> + '_ {
        let end = range.end.min(self.total_length);
        let start = range.start.min(end);
        // The last file that begins at or before the first byte.
        let first = self.starts.partition_point(|&at| at <= start).saturating_sub(1);
        let files = self.starts.iter().zip(&self.entries).enumerate().skip(first);
        files
            .take_while(move |(_, (at, _))| **at < end)
            .filter_map(move |(file, (&at, entry))| {
                let from = start.max(at);
                let to = end.min(at + entry.length);
                (from < to).then(|| Segment {
                    file,
                    offset: from - at,
                    length: to - from,
                })
            })
    }
}

fn check_clashes(entries: &[FileEntry]) -> Result<(), InvalidManifest> {
    let mut keys: Vec<String> = entries.iter().map(|entry| entry.path.clash_key()).collect();
    keys.sort_unstable();
    for pair in keys.windows(2) {
        // In the order of clash keys, whatever clashes with a file stands directly behind it.
        let beyond = pair[1].strip_prefix(pair[0].as_str());
        if beyond.is_some_and(|rest| rest.is_empty() || rest.starts_with('\0')) {
            let shown = |key: &str| key.replace('\0', "/");
            return Err(InvalidManifest::Clash(shown(&pair[0]), shown(&pair[1])));
        }
    }
    Ok(())
}
