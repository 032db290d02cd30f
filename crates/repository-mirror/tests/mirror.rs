//! The mirror against real git and real repositories.

#![allow(clippy::unwrap_used)]

use model::repository::LocalRepositories;
use model::{Commit, RepositoryName, RepositoryUrl, Revision};
use repository_mirror::{Error, Mirrors};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A repository that an engineer works in, and a mirror folder beside it.
struct Fixture {
    folder: TempDir,
    mirrors: Mirrors,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mirrors = Mirrors::new(folder.path().join("mirrors"), LocalRepositories::Allowed).await;
        let fixture = Self {
            mirrors: mirrors.unwrap(),
            folder,
        };
        std::fs::create_dir(fixture.work()).unwrap();
        fixture.git(&["init", "--quiet", "--initial-branch=main"]);
        fixture
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn url(&self) -> RepositoryUrl {
        let text = format!("file://{}", self.work().display());
        RepositoryUrl::parse(&text, LocalRepositories::Allowed).unwrap()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.org",
                "-c",
                "commit.gpgSign=false",
            ])
            .args(["-c", "protocol.file.allow=always"])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_COMMITTER_DATE", "1700000000 +0100")
            .current_dir(self.work())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn commit(&self, message: &str) -> Commit {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    async fn ensure(&self) {
        self.mirrors.ensure(&name(), &self.url()).await.unwrap();
    }

    async fn resolve(&self, text: &str) -> Result<Commit, Error> {
        self.mirrors
            .resolve(&name(), &text.parse::<Revision>().unwrap())
            .await
    }
}

fn name() -> RepositoryName {
    "starling".parse().unwrap()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_branch_a_tag_a_commit_and_head_are_resolved() {
    let fixture = Fixture::new().await;
    let first = fixture.commit("one");
    fixture.git(&["tag", "--annotate", "v1", "--message", "one"]);
    fixture.git(&["branch", "release/1"]);
    let second = fixture.commit("two");
    fixture.ensure().await;
    for (text, commit) in [
        ("main", &second),
        ("HEAD", &second),
        ("refs/heads/main", &second),
        ("release/1", &first),
        ("v1", &first),
        ("refs/tags/v1", &first),
        (first.as_str(), &first),
        (&first.as_str()[..10], &first),
    ] {
        assert_eq!(&fixture.resolve(text).await.unwrap(), commit, "{text}");
    }
    assert_eq!(
        fixture.mirrors.commit_time(&name(), &first).await.unwrap(),
        1_700_000_000
    );
}

#[tokio::test]
async fn an_unknown_revision_is_named_and_never_an_option_or_expression() {
    let fixture = Fixture::new().await;
    fixture.commit("one");
    fixture.ensure().await;
    for text in [
        "nowhere",
        "v9",
        "0000000",
        &"0".repeat(40),
        "@",
        "ma",
        "FETCH_HEAD",
        "refs/starling/default",
    ] {
        let error = fixture.resolve(text).await.unwrap_err();
        assert!(matches!(&error, Error::UnknownRevision { .. }), "{text}: {error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[tokio::test]
async fn a_second_look_sees_new_commits_moved_and_deleted_branches() {
    let fixture = Fixture::new().await;
    let first = fixture.commit("one");
    fixture.git(&["branch", "old"]);
    fixture.ensure().await;
    fixture.git(&["branch", "--delete", "--force", "old"]);
    // A branch that is named like the folder of a deleted one.
    fixture.git(&["branch", "old/new"]);
    let rewritten = {
        fixture.git(&[
            "commit",
            "--quiet",
            "--amend",
            "--allow-empty",
            "--message",
            "rewritten",
        ]);
        fixture.git(&["rev-parse", "HEAD"]).parse::<Commit>().unwrap()
    };
    fixture.git(&["branch", "--move", "main", "trunk"]);
    fixture.ensure().await;
    assert_eq!(fixture.resolve("trunk").await.unwrap(), rewritten);
    assert_eq!(fixture.resolve("HEAD").await.unwrap(), rewritten);
    assert!(fixture.resolve("main").await.is_err());
    assert!(fixture.resolve("old").await.is_err());
    // A queued build of the commit that no branch holds any more still finds it.
    assert!(fixture.mirrors.has_commit(&name(), &first).await.unwrap());
}

#[tokio::test]
async fn a_commit_that_no_branch_holds_is_asked_for_by_name() {
    let fixture = Fixture::new().await;
    let lost = fixture.commit("lost");
    fixture.git(&[
        "commit",
        "--quiet",
        "--amend",
        "--allow-empty",
        "--message",
        "rewritten",
    ]);
    let (mirrors, url) = (&fixture.mirrors, fixture.url());
    mirrors.ensure_commit(&name(), &url, &lost).await.unwrap();
    assert!(mirrors.has_commit(&name(), &lost).await.unwrap());

    let nowhere: Commit = "1".repeat(40).parse().unwrap();
    let error = mirrors.ensure_commit(&name(), &url, &nowhere).await.unwrap_err();
    assert!(matches!(&error, Error::UnknownCommit { .. }), "{error}");
    assert!(error.to_string().contains(nowhere.as_str()), "{error}");
}

#[tokio::test]
async fn a_file_is_read_as_it_was_at_the_commit() {
    let fixture = Fixture::new().await;
    fixture.write("folder/starling.toml", "one");
    std::os::unix::fs::symlink("/etc/passwd", fixture.work().join("link")).unwrap();
    let commit = fixture.commit("one");
    fixture.write("folder/starling.toml", "two");
    fixture.ensure().await;
    let read = async |path: &str, max| fixture.mirrors.read_file(&name(), &commit, path, max).await;
    assert_eq!(read("folder/starling.toml", 3).await.unwrap().unwrap(), b"one");
    assert_eq!(read("missing", 3).await.unwrap(), None);
    assert_eq!(read("*", 3).await.unwrap(), None);
    assert!(matches!(
        read("folder/starling.toml", 2).await,
        Err(Error::TooLarge { .. })
    ));
    assert!(matches!(read("link", 100).await, Err(Error::NotAFile(_))));
    assert!(matches!(read("folder", 100).await, Err(Error::NotAFile(_))));
}

#[tokio::test]
async fn a_checkout_holds_the_files_of_the_commit_and_nothing_of_git() {
    let fixture = Fixture::new().await;
    fixture.write("a/one", "1");
    fixture.write("b", "2");
    std::os::unix::fs::symlink("a/one", fixture.work().join("c")).unwrap();
    let commit = fixture.commit("one");
    fixture.ensure().await;
    let into = fixture.folder.path().join("attempt/checkout");
    fixture.mirrors.checkout(&name(), &commit, &into).await.unwrap();
    assert_eq!(names_in(&into), ["a", "b", "c"]);
    assert_eq!(std::fs::read_to_string(into.join("c")).unwrap(), "1");
    assert_eq!(names_in(into.parent().unwrap()), ["checkout"]);
}

#[tokio::test]
async fn a_hostile_repository_runs_nothing() {
    let fixture = Fixture::new().await;
    let marker = fixture.folder.path().join("ran");
    let script = format!("#!/bin/sh\ntouch {}\n", marker.display());
    // Everything that a tree or a repository could bring along: a filter, a hook, a submodule.
    fixture.write(".gitattributes", "* filter=evil diff=evil\n");
    fixture.write(
        ".gitmodules",
        "[submodule \"s\"]\n\tpath = s\n\turl = ext::sh -c touch% ran\n\tupdate = !touch ran\n",
    );
    fixture.write("file", "text");
    let commit = fixture.commit("one");
    fixture.git(&[
        "config",
        "filter.evil.smudge",
        &format!("touch {}", marker.display()),
    ]);
    fixture.git(&[
        "config",
        "uploadpack.packObjectsHook",
        &format!("touch {}", marker.display()),
    ]);
    fixture.git(&["config", "core.fsmonitor", &format!("touch {}", marker.display())]);
    for hook in [
        "post-checkout",
        "reference-transaction",
        "post-merge",
        "pre-auto-gc",
    ] {
        let path = fixture.work().join(".git/hooks").join(hook);
        std::fs::write(&path, &script).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    fixture.ensure().await;
    let into = fixture.folder.path().join("checkout");
    fixture.mirrors.checkout(&name(), &commit, &into).await.unwrap();
    assert_eq!(std::fs::read_to_string(into.join("file")).unwrap(), "text");
    assert!(!marker.exists(), "something of the repository was run");
}

#[tokio::test]
async fn an_address_is_checked_again_by_the_mirrors_own_policy() {
    let folder = tempfile::tempdir().unwrap();
    let strict = Mirrors::new(folder.path().to_owned(), LocalRepositories::Refused)
        .await
        .unwrap();
    let url = RepositoryUrl::parse("file:///srv", LocalRepositories::Allowed).unwrap();
    let error = strict.ensure(&name(), &url).await.unwrap_err();
    assert!(matches!(error, Error::Url(_)), "{error}");
    assert_eq!(names_in(folder.path()), ["home", "lock", "settings"]);
}

#[tokio::test]
async fn a_repository_that_does_not_exist_leaves_no_mirror() {
    let fixture = Fixture::new().await;
    let url = RepositoryUrl::parse("file:///nowhere/at/all", LocalRepositories::Allowed).unwrap();
    let error = fixture.mirrors.ensure(&name(), &url).await.unwrap_err();
    assert!(
        matches!(&error, Error::Git { reason, .. } if reason.contains("/nowhere/at/all")),
        "{error}"
    );
    let unknown = fixture.resolve("main").await.unwrap_err();
    assert!(matches!(unknown, Error::NotMirrored(_)), "{unknown}");
}

#[tokio::test]
async fn what_a_killed_git_left_behind_stops_no_later_update() {
    let fixture = Fixture::new().await;
    fixture.commit("one");
    fixture.ensure().await;
    let mirror = fixture.folder.path().join("mirrors/starling.git");
    for lock in [
        "packed-refs.lock",
        "refs/heads/main.lock",
        "objects/pack/tmp_pack_x",
    ] {
        std::fs::write(mirror.join(lock), "").unwrap();
    }
    let second = fixture.commit("two");
    fixture.ensure().await;
    assert_eq!(fixture.resolve("main").await.unwrap(), second);
    assert!(!mirror.join("objects/pack/tmp_pack_x").exists());
}

#[tokio::test]
async fn a_folder_of_mirrors_has_one_owner() {
    let fixture = Fixture::new().await;
    let again = Mirrors::new(fixture.folder.path().join("mirrors"), LocalRepositories::Allowed).await;
    assert!(matches!(again, Err(Error::InUse(_))), "{again:?}");
}

#[tokio::test]
async fn an_empty_repository_is_mirrored_and_has_no_revision() {
    let fixture = Fixture::new().await;
    fixture.ensure().await;
    fixture.ensure().await;
    assert!(fixture.resolve("HEAD").await.is_err());
    let first = fixture.commit("one");
    fixture.ensure().await;
    assert_eq!(fixture.resolve("HEAD").await.unwrap(), first);
}

#[tokio::test]
async fn a_repository_of_another_user_is_fetched_from() {
    let fixture = Fixture::new().await;
    let first = fixture.commit("one");
    let owner = "nobody";
    let given = Command::new("chown")
        .arg("-R")
        .arg(owner)
        .arg(fixture.work())
        .output()
        .unwrap();
    if !given.status.success() {
        eprintln!("skipped: only root can give files to another user");
        return;
    }
    fixture.ensure().await;
    assert_eq!(fixture.resolve("main").await.unwrap(), first);
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_git_along() {
    let fixture = Fixture::new().await;
    // A server that takes the call and never answers.
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = format!("git://{}/repository", server.local_addr().unwrap());
    let url = RepositoryUrl::parse(&text, LocalRepositories::Refused).unwrap();
    let name = name();
    let mut connection = tokio::select! {
        accepted = server.accept() => accepted.unwrap().0,
        ended = fixture.mirrors.ensure(&name, &url) => panic!("nobody answered: {ended:?}"),
    };
    // The future was dropped above; git hangs up when it dies.
    let hung_up = async {
        while tokio::io::AsyncReadExt::read(&mut connection, &mut [0; 1024])
            .await
            .unwrap()
            > 0
        {}
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), hung_up)
        .await
        .unwrap();
}
