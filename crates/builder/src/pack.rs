//! Collecting what a build declared as its outputs.
//!
//! The build wrote these files, so nothing about them is trusted. An artifact holds regular files only:
//! a link to a file or folder of the checkout is replaced by what it leads to, any other is refused.

use artifact::{ArtifactPath, FILES_MAX, FileEntry};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The deepest folder below an output; a link to a folder above itself ends here.
const DEPTH_MAX: usize = 64;

/// Outputs by their place in the artifact, with their place on the disk.
pub(crate) type Files = Vec<(FileEntry, PathBuf)>;

/// Why the outputs make no artifact; these words are for the engineer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidOutputs {
    #[error("output {0:?} does not exist after the build")]
    Missing(String),
    #[error("output {0:?} leads out of the repository")]
    Outside(String),
    #[error("output {0:?} is neither a file nor a folder")]
    Special(String),
    #[error("output {0:?} lies deeper than {DEPTH_MAX} folders; does a link lead back up?")]
    Deep(String),
    #[error("the outputs hold no file")]
    Empty,
    #[error("the outputs hold more than {FILES_MAX} files")]
    TooMany,
    #[error("an output's name is not UTF-8: {0:?}")]
    Name(String),
    #[error("{0}")]
    Path(#[from] artifact::InvalidPath),
    #[error("output {path:?} could not be read: {reason}")]
    Unreadable { path: String, reason: io::Error },
}

/// Collects `outputs`, paths relative to `folder`, which is relative to `source`. No process of the build
/// runs any more, so what is looked at here stays as it is.
pub(crate) fn collect(source: &Path, folder: &str, outputs: &[String]) -> Result<Files, InvalidOutputs> {
    let unreadable = |reason| InvalidOutputs::Unreadable {
        path: folder.to_owned(),
        reason,
    };
    let root = fs_err::canonicalize(source).map_err(unreadable)?;
    let base = root.join(folder);
    let mut collection = Collection {
        root,
        files: BTreeMap::new(),
    };
    for output in outputs {
        collection.add(output, &base.join(output), 0)?;
    }
    if collection.files.is_empty() {
        return Err(InvalidOutputs::Empty);
    }
    let entries = collection.files.into_iter();
    entries.map(|(path, found)| found.entry(&path)).collect()
}

struct Collection {
    root: PathBuf,
    /// By path in the artifact: outputs may overlap.
    files: BTreeMap<String, Found>,
}

struct Found {
    place: PathBuf,
    metadata: Metadata,
}

impl Collection {
    fn add(&mut self, path: &str, place: &Path, depth: usize) -> Result<(), InvalidOutputs> {
        if depth > DEPTH_MAX {
            return Err(InvalidOutputs::Deep(path.to_owned()));
        }
        // Every link on the way is followed here, once; the rest works with where that leads.
        let place = match fs_err::canonicalize(place) {
            Ok(place) => place,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(InvalidOutputs::Missing(path.to_owned()));
            }
            Err(reason) => return Err(unreadable(path, reason)),
        };
        if !place.starts_with(&self.root) {
            return Err(InvalidOutputs::Outside(path.to_owned()));
        }
        let metadata = fs_err::symlink_metadata(&place).map_err(|reason| unreadable(path, reason))?;
        if metadata.is_dir() {
            return self.add_folder(path, &place, depth);
        }
        if !metadata.is_file() {
            return Err(InvalidOutputs::Special(path.to_owned()));
        }
        self.files.insert(path.to_owned(), Found { place, metadata });
        if self.files.len() > FILES_MAX {
            return Err(InvalidOutputs::TooMany);
        }
        Ok(())
    }

    fn add_folder(&mut self, path: &str, place: &Path, depth: usize) -> Result<(), InvalidOutputs> {
        let entries = fs_err::read_dir(place).map_err(|reason| unreadable(path, reason))?;
        for entry in entries {
            let entry = entry.map_err(|reason| unreadable(path, reason))?;
            let name = entry.file_name();
            let name = name
                .to_str()
                .ok_or_else(|| InvalidOutputs::Name(format!("{path}/{}", name.to_string_lossy())))?;
            self.add(&format!("{path}/{name}"), &entry.path(), depth + 1)?;
        }
        Ok(())
    }
}

impl Found {
    fn entry(self, path: &str) -> Result<(FileEntry, PathBuf), InvalidOutputs> {
        let entry = FileEntry {
            path: ArtifactPath::new(path)?,
            executable: self.metadata.permissions().mode() & 0o100 != 0,
            length: self.metadata.len(),
        };
        Ok((entry, self.place))
    }
}

fn unreadable(path: &str, reason: io::Error) -> InvalidOutputs {
    let path = path.to_owned();
    InvalidOutputs::Unreadable { path, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn checkout() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(folder.path().join("a/out/deep")).unwrap();
        fs_err::write(folder.path().join("a/out/b"), "12").unwrap();
        fs_err::write(folder.path().join("a/out/deep/c"), "345").unwrap();
        fs_err::write(folder.path().join("shared"), "6").unwrap();
        let program = folder.path().join("a/out/b");
        fs_err::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    fn collected(folder: &Path, outputs: &[&str]) -> Result<Vec<(String, bool, u64)>, String> {
        let outputs: Vec<String> = outputs.iter().map(|&output| output.to_owned()).collect();
        let files = collect(folder, "a", &outputs).map_err(|error| error.to_string())?;
        let plain =
            |(entry, _): &(FileEntry, PathBuf)| (entry.path.to_string(), entry.executable, entry.length);
        Ok(files.iter().map(plain).collect())
    }

    #[test]
    fn files_and_folders_are_collected_once_with_their_mode_and_length() {
        let folder = checkout();
        let expected = vec![("out/b".to_owned(), true, 2), ("out/deep/c".to_owned(), false, 3)];
        assert_eq!(
            collected(folder.path(), &["out", "out/b", "out/deep"]),
            Ok(expected)
        );
    }

    #[test]
    fn a_link_within_the_checkout_is_replaced_by_what_it_leads_to() {
        let folder = checkout();
        symlink("../../shared", folder.path().join("a/out/link")).unwrap();
        symlink("deep", folder.path().join("a/out/again")).unwrap();
        let files = collected(folder.path(), &["out/link", "out/again"]).unwrap();
        let expected = [
            ("out/again/c".to_owned(), false, 3),
            ("out/link".to_owned(), false, 1),
        ];
        assert_eq!(files, expected);
    }

    #[test]
    fn what_is_no_output_is_refused_by_name() {
        let folder = checkout();
        let out = folder.path().join("a/out");
        symlink("/etc/passwd", out.join("outside")).unwrap();
        fs_err::create_dir(folder.path().join("a/round")).unwrap();
        symlink(".", folder.path().join("a/round/again")).unwrap();
        symlink("nowhere", out.join("dangling")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(out.join("socket")).unwrap();
        fs_err::create_dir(folder.path().join("a/empty")).unwrap();
        fs_err::create_dir(folder.path().join("a/odd")).unwrap();
        fs_err::write(folder.path().join("a/odd/back\\slash"), "").unwrap();
        for (output, expected) in [
            ("missing", "does not exist"),
            ("out/dangling", "does not exist"),
            ("out/outside", "out of the repository"),
            ("round", "a link lead back up"),
            ("out/socket", "neither a file nor a folder"),
            ("empty", "hold no file"),
            ("odd", "backslash"),
        ] {
            let error = collected(folder.path(), &[output]).unwrap_err();
            assert!(error.contains(expected), "{output}: {error}");
        }
    }

    #[test]
    fn a_folder_that_is_a_link_out_of_the_checkout_is_refused() {
        let folder = checkout();
        fs_err::rename(folder.path().join("a"), folder.path().join("old")).unwrap();
        symlink("/usr", folder.path().join("a")).unwrap();
        let error = collected(folder.path(), &["bin/env"]).unwrap_err();
        assert!(error.contains("out of the repository"), "{error}");
    }
}
