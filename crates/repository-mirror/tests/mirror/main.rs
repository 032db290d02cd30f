//! The mirror against real git and real repositories.

#![allow(clippy::unwrap_used)]

mod fixture;
mod hostile;
mod large_files;
mod submodules;

use fixture::{Fixture, name, names_in};
use model::repository::LocalRepositories;
use model::{Commit, RepositoryUrl};
use repository_mirror::{Error, Mirrors, Selection};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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
async fn a_commits_tags_are_listed_whether_they_have_a_message_or_not() {
    let fixture = Fixture::new().await;
    let first = fixture.commit("one");
    fixture.git(&["tag", "v1.0.0"]);
    fixture.git(&["tag", "--annotate", "--message=x", "a/b"]);
    let second = fixture.commit("two");
    fixture.ensure().await;
    assert_eq!(
        fixture.mirrors.tags_of(&name(), &first).await.unwrap(),
        ["a/b", "v1.0.0"]
    );
    assert_eq!(fixture.mirrors.tags_of(&name(), &second).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn the_commits_between_two_are_told_newest_first_and_no_more_than_are_asked_for() {
    let fixture = Fixture::new().await;
    let first = fixture.commit("one");
    let second = fixture.commit("two \x1b[31mred");
    let third = fixture.commit("three\n\nand why");
    fixture.ensure().await;
    let between = async |from: &Commit, to: &Commit, max| {
        let commits = fixture.mirrors.commits_between(&name(), from, to, max).await;
        let commits = commits.unwrap();
        let subjects: Vec<String> = commits.lines.iter().map(|line| line.subject.clone()).collect();
        (subjects, commits.more)
    };
    let both = vec!["three".to_owned(), "two [31mred".to_owned()];
    assert_eq!(between(&first, &third, 5).await, (both, false));
    assert_eq!(between(&first, &third, 1).await, (vec!["three".to_owned()], true));
    assert_eq!(between(&third, &first, 5).await, (Vec::new(), false));
    assert_eq!(between(&second, &second, 5).await, (Vec::new(), false));
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
    fixture.checkout(&commit, &into, Selection::Everything).await;
    assert_eq!(names_in(&into), ["a", "b", "c"]);
    assert_eq!(std::fs::read_to_string(into.join("c")).unwrap(), "1");
    assert_eq!(names_in(into.parent().unwrap()), ["checkout"]);
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

#[tokio::test]
async fn only_the_files_that_are_asked_for_are_laid_out() {
    let fixture = Fixture::new().await;
    for path in ["a/one", "a/two", "b/three"] {
        fixture.write(path, path);
    }
    let commit = fixture.commit("one");
    fixture.ensure().await;
    let roots = ["a".to_owned(), "b/three".to_owned(), "missing".to_owned()];
    let files = fixture.mirrors.files(&name(), &commit, &roots).await.unwrap();
    let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a/one", "a/two", "b/three"]);
    assert!(
        files
            .iter()
            .all(|file| file.mode == "100644" && file.object.len() == 40)
    );

    let into = fixture.folder.path().join("checkout");
    fixture
        .checkout(&commit, &into, Selection::Paths(&["a/two"]))
        .await;
    assert_eq!(names_in(&into), ["a"]);
    assert_eq!(names_in(&into.join("a")), ["two"]);
}

#[tokio::test]
async fn many_builds_of_one_commit_fetch_once() {
    let fixture = Fixture::new().await;
    let commit = fixture.commit("one");
    let (url, fetches) = counting_server(&fixture).await;
    let all = (0..16).map(|_| {
        let (mirrors, url, commit) = (fixture.mirrors.clone(), url.clone(), commit.clone());
        tokio::spawn(async move { mirrors.ensure_commit(&name(), &url, &commit).await })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    // The branches and the default branch are two questions. Whoever came while the first was being asked
    // may ask once more, together.
    let asked = fetches.load(Ordering::SeqCst);
    assert!((2..=4).contains(&asked), "{asked} connections for 16 builds");
    fixture
        .mirrors
        .ensure_commit(&name(), &url, &commit)
        .await
        .unwrap();
    assert_eq!(
        fetches.load(Ordering::SeqCst),
        asked,
        "a commit that is there is not asked for"
    );
}

/// Serves the fixture's repository, and counts the connections.
async fn counting_server(fixture: &Fixture) -> (RepositoryUrl, Arc<AtomicU32>) {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = format!("git://{}/work", server.local_addr().unwrap());
    let (counted, base) = (Arc::new(AtomicU32::new(0)), fixture.folder.path().to_owned());
    let count = counted.clone();
    tokio::spawn(async move {
        while let Ok((connection, _)) = server.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let connection = connection.into_std().unwrap();
            connection.set_nonblocking(false).unwrap();
            let output = connection.try_clone().unwrap();
            let mut daemon = Command::new("git")
                .args(["-c", "safe.directory=*", "daemon", "--inetd", "--export-all"])
                .arg(format!("--base-path={}", base.display()))
                .stdin(Stdio::from(OwnedFd::from(connection)))
                .stdout(Stdio::from(OwnedFd::from(output)))
                .spawn()
                .unwrap();
            std::thread::spawn(move || daemon.wait());
        }
    });
    let url = RepositoryUrl::parse(&text, LocalRepositories::Refused).unwrap();
    (url, counted)
}
