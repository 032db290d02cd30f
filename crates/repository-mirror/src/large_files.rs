//! Fetching the large files that a commit keeps pointers to (git LFS), where its target asks for them.
//!
//! `git-lfs` fetches what the pointers name into the mirror, once for all builds, and checks each against the hash in its
//! pointer; here the pointers of a laid-out commit are replaced by it. It comes from the repository's own address: where
//! the commit says (`.lfsconfig`) that it lies elsewhere, that is not believed.

mod pointer;

use crate::{Error, Mirrors};
use model::{Commit, RepositoryName, RepositoryUrl};
use pointer::{POINTER_LENGTH_MAX, Pointer};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The most large files of one commit.
const FILES_MAX: usize = 10_000;
/// Bytes of all of them together; an artifact has no more either.
const BYTES_MAX: u64 = 10 << 30;
/// How long the server may take over all of them: 10 GiB at 6 MB a second.
const FETCH_DEADLINE: Duration = Duration::from_secs(1800);
/// The longest answer about attributes that is read, in bytes: a path and some words for each of half a million files.
const ATTRIBUTES_LENGTH_MAX: usize = 96 << 20;

/// What was laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LargeFiles {
    /// How many files.
    pub count: usize,
    /// Bytes of all of them together.
    pub bytes: u64,
}

/// A file that holds a pointer.
#[derive(Debug)]
struct Placed {
    path: PathBuf,
    /// The pointer's name in git.
    blob: String,
    pointer: Pointer,
}

impl Mirrors {
    /// Replaces the pointers of a commit whose files lie in `into` by what they point to. Of files that are not laid
    /// out nothing is fetched, and pointers of submodules stay.
    pub async fn checkout_large_files(
        &self,
        name: &RepositoryName,
        url: &RepositoryUrl,
        commit: &Commit,
        into: &Path,
    ) -> Result<LargeFiles, Error> {
        let url = RepositoryUrl::parse(url.as_str(), self.inner.local)?;
        let tracked = self.tracked(name, commit).await?;
        let into = into.to_owned();
        let placed = blocking(move || placed(&into, tracked)).await?;
        let bytes = placed.iter().map(|file| file.pointer.size).sum();
        if placed.len() > FILES_MAX {
            return Err(refused(commit, format!("there are more than {FILES_MAX}")));
        }
        if bytes > BYTES_MAX {
            return Err(refused(
                commit,
                format!("{bytes} bytes are more than {BYTES_MAX}"),
            ));
        }
        let count = placed.len();
        self.fetch_large_files(name, &url, &placed).await?;
        let objects = self.folder(name).join("lfs/objects");
        blocking(move || placed.iter().try_for_each(|file| replace(&objects, file))).await?;
        Ok(LargeFiles { count, bytes })
    }

    /// The files of a commit that it says are kept by git LFS, and the names of their content in git.
    async fn tracked(
        &self,
        name: &RepositoryName,
        commit: &Commit,
    ) -> Result<HashMap<String, String>, Error> {
        let operation = "read which files are large";
        let files = self.files(name, commit, &[String::new()]).await?;
        let mut blobs: HashMap<String, String> = files
            .into_iter()
            .filter(|file| matches!(file.mode.as_str(), "100644" | "100755"))
            .map(|file| (file.path, file.object))
            .collect();
        let folder = tempfile::tempdir_in(&self.inner.root)?;
        let index = folder.path().join("index");
        // Into an index alone, since what is laid out need not have every `.gitattributes` of the commit.
        self.git_in(name, operation)
            .index(&index)
            .arguments(["read-tree", "--end-of-options", commit.as_str()])
            .run()
            .await?;
        let paths: Vec<u8> = blobs.keys().flat_map(|path| path.bytes().chain([0])).collect();
        let answer = self
            .git_in(name, operation)
            .index(&index)
            .input(&paths)
            .answer_length_max(ATTRIBUTES_LENGTH_MAX)
            .arguments(["check-attr", "--cached", "-z", "--stdin", "filter"])
            .run()
            .await?;
        let answer = String::from_utf8(answer).map_err(|_| Error::PathNotText)?;
        let large: HashSet<&str> = filtered(&answer).collect();
        blobs.retain(|path, _| large.contains(path.as_str()));
        Ok(blobs)
    }

    /// Brings into the mirror what it lacks of these. Nothing else that the commit points to is asked for.
    async fn fetch_large_files(
        &self,
        name: &RepositoryName,
        url: &RepositoryUrl,
        placed: &[Placed],
    ) -> Result<(), Error> {
        let objects = self.folder(name).join("lfs/objects");
        let lacks = |file: &&Placed| !objects.join(file.pointer.place()).is_file();
        let lacking: HashSet<&str> = placed
            .iter()
            .filter(lacks)
            .map(|file| file.blob.as_str())
            .collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let entries: String = lacking
            .iter()
            .map(|blob| format!("100644 blob {blob}\t{blob}\n"))
            .collect();
        let tree = self
            .git_in(name, "list the large files")
            .input(entries.as_bytes())
            .arguments(["mktree"])
            .run()
            .await?;
        let tree = String::from_utf8_lossy(&tree);
        let server = format!("lfs.url={}", server_of(url.as_str()));
        self.git_in(name, "fetch the large files (git-lfs must be installed)")
            .deadline(FETCH_DEADLINE)
            .arguments([
                "-c",
                &server,
                "-c",
                "lfs.fetchexclude=",
                "-c",
                "lfs.fetchinclude=",
            ])
            .arguments(["lfs", "fetch", url.as_str(), tree.trim()])
            .run()
            .await?;
        Ok(())
    }
}

/// The paths of `git check-attr -z filter` whose filter is git LFS: a path, an attribute and a value, a NUL behind each.
fn filtered(answer: &str) -> impl Iterator<Item = &str> {
    let fields: Vec<&str> = answer.split_terminator('\0').collect();
    let large = fields.chunks_exact(3).filter(|fields| fields[2] == "lfs");
    large.map(|fields| fields[0]).collect::<Vec<_>>().into_iter()
}

/// Where a repository's large files are asked for, by the rule of git-lfs (docs/api/server-discovery.md); it knows itself
/// how to ask by ssh and on this machine's disk.
fn server_of(url: &str) -> String {
    let bare = url.trim_end_matches('/');
    match bare.strip_prefix("https://") {
        None => url.to_owned(),
        Some(_) if bare.ends_with(".git") => format!("{bare}/info/lfs"),
        Some(_) => format!("{bare}.git/info/lfs"),
    }
}

/// Those of the files that lie in a folder and hold a pointer there. A file that was put into git whole stays as it is.
fn placed(folder: &Path, tracked: HashMap<String, String>) -> Result<Vec<Placed>, Error> {
    let mut placed = Vec::new();
    for (path, blob) in tracked {
        let path = folder.join(path);
        let length = match fs_err::symlink_metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        if length > POINTER_LENGTH_MAX {
            continue;
        }
        if let Some(pointer) = Pointer::parse(&fs_err::read(&path)?) {
            placed.push(Placed { path, blob, pointer });
        }
    }
    Ok(placed)
}

/// Puts what a pointer names into its place, with the pointer's permissions.
fn replace(objects: &Path, file: &Placed) -> Result<(), Error> {
    let permissions = fs_err::metadata(&file.path)?.permissions();
    fs_err::remove_file(&file.path)?;
    fs_err::copy(objects.join(file.pointer.place()), &file.path)?;
    Ok(fs_err::set_permissions(&file.path, permissions)?)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Interrupted)?
}

fn refused(commit: &Commit, reason: String) -> Error {
    let commit = commit.clone();
    Error::LargeFiles { commit, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_are_asked_for_where_the_repository_is() {
        for (url, server) in [
            ("https://example.org/a/b", "https://example.org/a/b.git/info/lfs"),
            (
                "https://example.org/a/b.git/",
                "https://example.org/a/b.git/info/lfs",
            ),
            ("ssh://git@example.org/a", "ssh://git@example.org/a"),
            ("file:///srv/a", "file:///srv/a"),
        ] {
            assert_eq!(server_of(url), server);
        }
    }

    #[test]
    fn files_are_large_that_have_the_filter() {
        let answer = "a.bin\0filter\0lfs\0b c\0filter\0unspecified\0d\0filter\0crypt\0";
        assert_eq!(filtered(answer).collect::<Vec<_>>(), ["a.bin"]);
    }
}
