//! Repositories that try to have something run, read or written.

use crate::fixture::{Fixture, name, names_in};
use repository_mirror::{Error, Selection};
use std::io::Write as _;
use std::process::{Command, Stdio};

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
    fixture.checkout(&commit, &into, Selection::Everything).await;
    assert_eq!(std::fs::read_to_string(into.join("file")).unwrap(), "text");
    assert!(!marker.exists(), "something of the repository was run");
}

#[tokio::test]
async fn paths_that_look_like_options_or_patterns_are_laid_out_as_what_they_are() {
    let fixture = Fixture::new().await;
    let odd = ["--help", "-z", "*", "a b", "line\nbreak", ":(top)x", "\"quoted\""];
    for path in odd {
        fixture.write(path, "text");
    }
    fixture.write("other", "text");
    let commit = fixture.commit("one");
    fixture.ensure().await;
    let files = fixture
        .mirrors
        .files(&name(), &commit, &[String::new()])
        .await
        .unwrap();
    let mut listed: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    listed.sort_unstable();
    let mut expected = [odd.as_slice(), &["other"]].concat();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    for path in odd {
        let roots = [path.to_owned()];
        let found = fixture.mirrors.files(&name(), &commit, &roots).await.unwrap();
        assert_eq!(found.len(), 1, "{path:?} is no pattern and no option");
    }

    let into = fixture.folder.path().join("checkout");
    fixture.checkout(&commit, &into, Selection::Paths(&odd)).await;
    let mut laid_out = odd.to_vec();
    laid_out.sort_unstable();
    assert_eq!(names_in(&into), laid_out);
}

/// Makes a commit of a tree that git itself would not let anybody add.
fn commit_tree(fixture: &Fixture, lines: &str) -> model::Commit {
    let mut made = Command::new("git")
        .args(["mktree", "--missing"])
        .current_dir(fixture.work())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    made.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = made.wait_with_output().unwrap();
    assert!(output.status.success());
    let tree = String::from_utf8(output.stdout).unwrap();
    let commit = fixture.git(&["commit-tree", "-m", "made", tree.trim()]);
    fixture.git(&["update-ref", "refs/heads/main", &commit]);
    commit.parse().unwrap()
}

#[tokio::test]
async fn a_tree_that_would_write_into_git_or_above_itself_is_refused() {
    let fixture = Fixture::new().await;
    fixture.write("blob", "[core]\n\tfsmonitor = touch ran\n");
    fixture.commit("one");
    let blob = fixture.git(&["rev-parse", "HEAD:blob"]);
    for bad in [".git", "..", ".GIT", "git~1"] {
        let commit = commit_tree(&fixture, &format!("100644 blob {blob}\t{bad}\n"));
        fixture.ensure().await;
        let into = fixture.folder.path().join("refused");
        let everything = Selection::Everything;
        let laid_out = fixture
            .mirrors
            .checkout(&name(), &commit, &into, everything)
            .await;
        let refused = matches!(&laid_out, Err(Error::Git { reason, .. }) if reason.contains("invalid path"));
        // Names that only other file systems take for `.git` may be laid out here, as ordinary files.
        let harmless = laid_out.is_ok() && bad != ".git" && bad != "..";
        assert!(refused || harmless, "{bad}: {laid_out:?}");
        assert!(!fixture.folder.path().join("blob").exists());
        std::fs::remove_dir_all(&into).unwrap();
    }
}

#[tokio::test]
async fn a_link_in_the_tree_is_laid_out_as_a_link_and_never_written_through() {
    let fixture = Fixture::new().await;
    let outside = fixture.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, fixture.work().join("link")).unwrap();
    fixture.commit("a link");
    let link = fixture.git(&["rev-parse", "HEAD:link"]);
    fixture.git(&["rm", "--quiet", "link"]);
    fixture.write("link/file", "written through");
    fixture.commit("a folder of the same name");
    let folder = fixture.git(&["rev-parse", "HEAD:link"]);
    // Both under one name, the link first (as in CVE-2021-21300 and its kin).
    let commit = commit_tree(
        &fixture,
        &format!("120000 blob {link}\tlink\n040000 tree {folder}\tlink\n"),
    );
    fixture.ensure().await;
    let into = fixture.folder.path().join("checkout");
    let _ = fixture
        .mirrors
        .checkout(&name(), &commit, &into, Selection::Everything)
        .await;
    assert_eq!(names_in(&outside), Vec::<String>::new());
}

#[tokio::test]
async fn submodules_and_large_files_of_other_stores_are_left_alone() {
    let fixture = Fixture::new().await;
    let marker = fixture.folder.path().join("ran");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    fixture.write("large", pointer);
    fixture.write(".gitattributes", "large filter=lfs diff=lfs merge=lfs -text\n");
    fixture.write(
        ".lfsconfig",
        &format!("[lfs]\n\turl = ext::touch {}\n", marker.display()),
    );
    fixture.write(
        ".gitmodules",
        "[submodule \"s\"]\n\tpath = s\n\turl = -u./payload\n",
    );
    let one = fixture.commit("one");
    fixture.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{one},s")]);
    fixture.git(&["commit", "--quiet", "--message", "a submodule"]);
    let commit = fixture.git(&["rev-parse", "HEAD"]).parse().unwrap();
    fixture.ensure().await;
    let into = fixture.folder.path().join("checkout");
    fixture.checkout(&commit, &into, Selection::Everything).await;
    assert_eq!(std::fs::read_to_string(into.join("large")).unwrap(), pointer);
    assert_eq!(names_in(&into.join("s")), Vec::<String>::new());
    assert!(!marker.exists());
    // It counts as an input all the same: by the commit that it names.
    let roots = ["s".to_owned()];
    let files = fixture.mirrors.files(&name(), &commit, &roots).await.unwrap();
    assert_eq!(
        (files[0].mode.as_str(), files[0].object.as_str()),
        ("160000", one.as_str())
    );
}

#[tokio::test]
async fn nothing_of_the_repositorys_own_configuration_is_obeyed() {
    let fixture = Fixture::new().await;
    let commit = fixture.commit("one");
    fixture.ensure().await;
    // As if somebody had got a configuration into the mirror itself.
    let marker = fixture.folder.path().join("ran");
    let mirror = fixture.folder.path().join("mirrors/starling.git");
    let hooks = mirror.join("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    for hook in ["post-checkout", "post-index-change", "reference-transaction"] {
        let path = hooks.join(hook);
        std::fs::write(&path, format!("#!/bin/sh\ntouch {}\n", marker.display())).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    fixture.commit("two");
    fixture.ensure().await;
    let into = fixture.folder.path().join("checkout");
    fixture.checkout(&commit, &into, Selection::Everything).await;
    assert!(!marker.exists(), "a hook in the mirror was run");
}
