//! Large files, fetched on request and held to bounds.

use crate::fixture::{Fixture, name};
use model::Commit;
use repository_mirror::{Error, LargeFiles, Selection};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const ATTRIBUTES: &str = "*.bin filter=lfs diff=lfs merge=lfs -text\n";

/// A pointer to what nobody has.
fn pointer(size: u64) -> String {
    format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {size}\n",
        "0".repeat(64)
    )
}

impl Fixture {
    async fn with_lfs() -> Self {
        let fixture = Self::new().await;
        fixture.git(&["lfs", "install", "--local"]);
        fixture.write(".gitattributes", ATTRIBUTES);
        fixture
    }

    /// Lays a commit out with its large files.
    async fn with_large_files(
        &self,
        commit: &Commit,
        what: Selection<'_>,
    ) -> Result<(PathBuf, LargeFiles), Error> {
        let (name, url) = (name(), self.url());
        self.mirrors.ensure_commit(&name, &url, commit).await?;
        let into = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        self.mirrors.checkout(&name, commit, &into, what).await?;
        let large = self
            .mirrors
            .checkout_large_files(&name, &url, commit, &into)
            .await?;
        Ok((into, large))
    }

    /// How many large files the mirror has.
    fn kept(&self) -> usize {
        let objects = self.folder.path().join("mirrors/starling.git/lfs/objects");
        files_below(&objects)
    }
}

fn files_below(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}

fn read(folder: &Path, path: &str) -> String {
    std::fs::read_to_string(folder.join(path)).unwrap()
}

#[tokio::test]
async fn pointers_become_files_and_what_only_looks_like_one_stays() {
    let fixture = Fixture::with_lfs().await;
    fixture.write("one.bin", "large");
    fixture.write("deep/two.bin", "larger still");
    fixture.write("notes.txt", &pointer(5));
    std::fs::set_permissions(
        fixture.work().join("one.bin"),
        std::fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    let commit = fixture.commit("large files");
    let (into, large) = fixture
        .with_large_files(&commit, Selection::Everything)
        .await
        .unwrap();
    assert_eq!(large, LargeFiles { count: 2, bytes: 17 });
    assert_eq!(read(&into, "one.bin"), "large");
    assert_eq!(read(&into, "deep/two.bin"), "larger still");
    assert_eq!(read(&into, "notes.txt"), pointer(5));
    let mode = std::fs::metadata(into.join("one.bin"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o111, 0o111);

    // The mirror has them now, whatever becomes of the server's.
    std::fs::remove_dir_all(fixture.work().join(".git/lfs")).unwrap();
    let (into, _) = fixture
        .with_large_files(&commit, Selection::Everything)
        .await
        .unwrap();
    assert_eq!(read(&into, "one.bin"), "large");
}

#[tokio::test]
async fn only_large_files_that_are_laid_out_are_fetched() {
    let fixture = Fixture::with_lfs().await;
    fixture.write("one.bin", "large");
    fixture.write("two.bin", "not asked for");
    let commit = fixture.commit("large files");
    let paths = Selection::Paths(&["one.bin"]);
    let (into, large) = fixture.with_large_files(&commit, paths).await.unwrap();
    assert_eq!(large, LargeFiles { count: 1, bytes: 5 });
    assert_eq!(read(&into, "one.bin"), "large");
    assert_eq!(fixture.kept(), 1);
}

#[tokio::test]
async fn a_commit_does_not_say_from_where_its_large_files_come() {
    let fixture = Fixture::with_lfs().await;
    fixture.write(
        ".lfsconfig",
        "[lfs]\n\turl = file:///nowhere\n\tfetchexclude = *\n",
    );
    fixture.write("one.bin", "large");
    let commit = fixture.commit("elsewhere");
    let (into, _) = fixture
        .with_large_files(&commit, Selection::Everything)
        .await
        .unwrap();
    assert_eq!(read(&into, "one.bin"), "large");
}

#[tokio::test]
async fn too_much_is_refused_before_it_is_fetched_and_what_nobody_has_is_an_error() {
    let fixture = Fixture::with_lfs().await;
    fixture.git(&["config", "filter.lfs.clean", "cat"]);
    fixture.git(&["config", "--unset", "filter.lfs.process"]);
    fixture.write("one.bin", &pointer(6 << 30));
    fixture.write("two.bin", &pointer(5 << 30));
    let commit = fixture.commit("too much");
    let said = fixture
        .with_large_files(&commit, Selection::Everything)
        .await
        .unwrap_err();
    assert!(matches!(said, Error::LargeFiles { .. }), "{said:?}");
    assert!(said.to_string().contains("11811160064 bytes"), "{said}");

    std::fs::remove_file(fixture.work().join("two.bin")).unwrap();
    fixture.write("one.bin", &pointer(5));
    let commit = fixture.commit("lost");
    let said = fixture
        .with_large_files(&commit, Selection::Everything)
        .await
        .unwrap_err();
    assert!(
        matches!(&said, Error::Git { reason, .. } if reason.contains("missing object")),
        "{said:?}"
    );
}
