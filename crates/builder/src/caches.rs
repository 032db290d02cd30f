//! What a target's builds leave for the next one on the same worker: downloaded packages, compiled parts.
//!
//! A target of a repository has one folder, with a folder in it for each cache that it names. A build gets it
//! by moving it into its own folder, and gives it back by moving it out again. So no two builds ever share
//! one (who comes second begins with empty folders), and what a build that was killed leaves of its caches
//! goes away with the rest of it.
//!
//! A repository's caches hold what its own commits put there, whichever branch they are on: who may have
//! their commits built may also change what later builds of the same target find.

use crate::remove::remove;
use model::{ByteSize, CacheName, RepositoryName, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The caches of one worker, not counting those that builds hold.
#[derive(Debug)]
pub(crate) struct Caches {
    folder: PathBuf,
    max: ByteSize,
    kept: Mutex<BTreeMap<String, Kept>>,
}

/// What is known of a target's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    bytes: u64,
    used: SystemTime,
}

impl Caches {
    /// Takes charge of `folder`. Blocks.
    pub(crate) fn open(folder: PathBuf, max: ByteSize) -> io::Result<Self> {
        fs_err::create_dir_all(&folder)?;
        let mut kept = BTreeMap::new();
        for entry in fs_err::read_dir(&folder)? {
            let entry = entry?;
            let used = entry.metadata()?.modified()?;
            match (entry.file_name().into_string(), bytes_in(&entry.path(), max)?) {
                (Ok(key), Some(bytes)) => {
                    kept.insert(key, Kept { bytes, used });
                }
                _ => remove(&entry.path())?,
            }
        }
        let caches = Self {
            folder,
            max,
            kept: Mutex::new(kept),
        };
        caches.evict()?;
        Ok(caches)
    }

    /// Moves a target's caches to `into`, or makes empty ones there. Caches that are named no more are
    /// removed. Blocks.
    pub(crate) fn take(
        &self,
        repository: &RepositoryName,
        target: &Target,
        names: &BTreeSet<CacheName>,
        into: &Path,
    ) -> io::Result<()> {
        let key = key(repository, target);
        let known = self.lock().remove(&key);
        if known.is_some() {
            fs_err::rename(self.folder.join(&key), into)?;
        } else {
            fs_err::create_dir(into)?;
        }
        for entry in fs_err::read_dir(into)? {
            let entry = entry?;
            let named = |name: &str| names.iter().any(|known| known.as_str() == name);
            // A build may have put a link or a file in its place.
            if !(entry.file_type()?.is_dir() && entry.file_name().to_str().is_some_and(named)) {
                remove(&entry.path())?;
            }
        }
        for name in names {
            fs_err::create_dir_all(into.join(name.as_str()))?;
        }
        Ok(())
    }

    /// Moves a target's caches back from `from`, unless another build has been faster or they are larger than
    /// all caches may be together; then makes room by removing those that were not used for longest. Blocks.
    pub(crate) fn give_back(
        &self,
        repository: &RepositoryName,
        target: &Target,
        from: &Path,
    ) -> io::Result<()> {
        let Some(bytes) = bytes_in(from, self.max)? else {
            return Ok(());
        };
        let (key, used) = (key(repository, target), SystemTime::now());
        // The time outlives this process as the folder's own.
        std::fs::File::open(from)?.set_modified(used)?;
        {
            let mut kept = self.lock();
            if kept.contains_key(&key) {
                return Ok(());
            }
            fs_err::rename(from, self.folder.join(&key))?;
            kept.insert(key, Kept { bytes, used });
        }
        self.evict()
    }

    fn evict(&self) -> io::Result<()> {
        let surplus = {
            let mut kept = self.lock();
            let surplus = longest_unused(&kept, self.max);
            for key in &surplus {
                kept.remove(key);
            }
            surplus
        };
        for key in surplus {
            tracing::info!(cache.key = key, "removing a cache to make room");
            remove(&self.folder.join(key))?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        // Nothing panics while it holds this lock, and the map is whole between any two statements.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A repository's name has no dot, so no two targets have the same key.
fn key(repository: &RepositoryName, target: &Target) -> String {
    let target = blake3::hash(target.as_str().as_bytes()).to_hex();
    format!("{repository}.{}", &target[..32])
}

/// How much a folder holds; `None` where it is more than `max`, or can't be said.
fn bytes_in(folder: &Path, max: ByteSize) -> io::Result<Option<u64>> {
    let bytes = tasks::sandbox::bytes_in(folder, max.0)?;
    Ok(bytes.filter(|&bytes| bytes <= max.0))
}

/// Which to remove so that the rest is `max` at most.
fn longest_unused(kept: &BTreeMap<String, Kept>, max: ByteSize) -> Vec<String> {
    let mut total: u64 = kept.values().map(|one| one.bytes).sum();
    let mut oldest: Vec<_> = kept.iter().collect();
    oldest.sort_by_key(|(_, one)| one.used);
    let mut surplus = Vec::new();
    for (key, one) in oldest {
        if total <= max.0 {
            break;
        }
        total -= one.bytes;
        surplus.push(key.clone());
    }
    surplus
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Fixture {
        folder: tempfile::TempDir,
        caches: Caches,
    }

    impl Fixture {
        fn new(max: ByteSize) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let caches = Caches::open(folder.path().join("caches"), max).unwrap();
            Self { folder, caches }
        }

        fn take(&self, repository: &str, attempt: &str) -> PathBuf {
            let into = self.folder.path().join(attempt);
            let (repository, target) = (repository.parse().unwrap(), "//a:b".parse().unwrap());
            let names = BTreeSet::from(["cargo".parse().unwrap()]);
            self.caches.take(&repository, &target, &names, &into).unwrap();
            into.join("cargo")
        }

        fn give_back(&self, repository: &str, attempt: &str) {
            let from = self.folder.path().join(attempt);
            let (repository, target) = (repository.parse().unwrap(), "//a:b".parse().unwrap());
            self.caches.give_back(&repository, &target, &from).unwrap();
        }
    }

    #[test]
    fn a_cache_comes_back_to_the_same_target_of_the_same_repository_only() {
        let fixture = Fixture::new(ByteSize::mebibytes(10));
        let first = fixture.take("web", "1");
        std::fs::write(first.join("package"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", first.parent().unwrap().join("link")).unwrap();
        fixture.give_back("web", "1");
        assert!(!fixture.take("other", "2").join("package").exists());
        let again = fixture.take("web", "3");
        assert!(again.join("package").exists());
        assert!(
            !again.parent().unwrap().join("link").exists(),
            "it was never named"
        );
    }

    #[test]
    fn two_builds_never_share_a_cache_and_the_first_to_end_leaves_its_own() {
        let fixture = Fixture::new(ByteSize::mebibytes(10));
        let (first, second) = (fixture.take("web", "1"), fixture.take("web", "2"));
        std::fs::write(first.join("first"), "x").unwrap();
        std::fs::write(second.join("second"), "x").unwrap();
        fixture.give_back("web", "2");
        fixture.give_back("web", "1");
        let third = fixture.take("web", "3");
        assert!(third.join("second").exists() && !third.join("first").exists());
    }

    #[test]
    fn caches_outlive_the_worker_and_the_longest_unused_make_room() {
        let fixture = Fixture::new(ByteSize::mebibytes(1));
        for repository in ["one", "two"] {
            let folder = fixture.take(repository, repository);
            std::fs::write(folder.join("file"), vec![1; 400_000]).unwrap();
            fixture.give_back(repository, repository);
        }
        let reopened = Fixture {
            caches: Caches::open(fixture.folder.path().join("caches"), ByteSize::mebibytes(1)).unwrap(),
            folder: fixture.folder,
        };
        let three = reopened.take("three", "three");
        std::fs::write(three.join("file"), vec![1; 400_000]).unwrap();
        reopened.give_back("three", "three");
        assert!(!reopened.take("one", "1").join("file").exists());
        assert!(reopened.take("two", "2").join("file").exists());
        assert!(reopened.take("three", "3").join("file").exists());
    }

    #[test]
    fn a_cache_that_is_larger_than_all_may_be_is_not_kept() {
        let fixture = Fixture::new(ByteSize::mebibytes(1));
        let folder = fixture.take("web", "1");
        std::fs::write(folder.join("file"), vec![1; 2_000_000]).unwrap();
        fixture.give_back("web", "1");
        assert!(!fixture.take("web", "2").join("file").exists());
    }

    #[test]
    fn what_is_removed_is_the_least_that_makes_room() {
        let at = |seconds, bytes| Kept {
            bytes,
            used: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        };
        let kept = BTreeMap::from([
            ("newest".to_owned(), at(9, 10)),
            ("oldest".to_owned(), at(1, 10)),
            ("middle".to_owned(), at(5, 10)),
        ]);
        assert_eq!(longest_unused(&kept, ByteSize(30)), Vec::<String>::new());
        assert_eq!(longest_unused(&kept, ByteSize(20)), ["oldest"]);
        assert_eq!(longest_unused(&kept, ByteSize(19)), ["oldest", "middle"]);
        assert_eq!(longest_unused(&kept, ByteSize(0)), ["oldest", "middle", "newest"]);
    }
}
