//! Submodules, laid out on request and held to bounds.

use crate::fixture::{Fixture, name};
use model::Commit;
use repository_mirror::{Error, Selection};
use std::path::PathBuf;

impl Fixture {
    /// Another repository beside the engineer's, with one commit of these files.
    fn other(&self, folder: &str, files: &[(&str, &str)]) -> String {
        let path = self.folder.path().join(folder);
        std::fs::create_dir_all(&path).unwrap();
        let at = path.display().to_string();
        self.git(&["-C", &at, "init", "--quiet", "--initial-branch=main"]);
        for (file, text) in files {
            std::fs::write(path.join(file), text).unwrap();
        }
        self.git(&["-C", &at, "add", "--all"]);
        self.git(&[
            "-C",
            &at,
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            "one",
        ]);
        at
    }

    /// Adds a repository as a submodule to another.
    fn add(&self, holder: &str, url: &str, path: &str) {
        self.git(&["-C", holder, "submodule", "--quiet", "add", url, path]);
        self.git(&["-C", holder, "commit", "--quiet", "--message", "a submodule"]);
    }

    /// Lays `main` out with its submodules.
    async fn laid_out(&self) -> Result<(PathBuf, usize), Error> {
        let commit: Commit = self.git(&["rev-parse", "HEAD"]).parse().unwrap();
        let (name, url) = (name(), self.url());
        self.mirrors.ensure_commit(&name, &url, &commit).await?;
        let into = self.folder.path().join("checkout");
        self.mirrors
            .checkout(&name, &commit, &into, Selection::Everything)
            .await?;
        let count = self
            .mirrors
            .checkout_submodules(&name, &url, &commit, &into)
            .await?;
        Ok((into, count))
    }
}

fn refusal(result: Result<(PathBuf, usize), Error>) -> String {
    match result.unwrap_err() {
        error @ Error::Submodule { .. } => error.to_string(),
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn submodules_of_submodules_are_laid_out_with_relative_addresses_and_nothing_of_git() {
    let fixture = Fixture::new().await;
    fixture.other("inner", &[("deep", "1")]);
    let lib = fixture.other("lib", &[("code", "2")]);
    fixture.add(&lib, "../inner", "parts/inner");
    fixture.write("own", "3");
    fixture.commit("one");
    let work = fixture.work().display().to_string();
    fixture.git(&["remote", "add", "origin", &format!("file://{work}")]);
    fixture.add(&work, "../lib", "lib");
    let (into, count) = fixture.laid_out().await.unwrap();
    assert_eq!(count, 2);
    for (path, text) in [("own", "3"), ("lib/code", "2"), ("lib/parts/inner/deep", "1")] {
        assert_eq!(std::fs::read_to_string(into.join(path)).unwrap(), text, "{path}");
    }
    for path in [".git", "lib/.git", "lib/parts/inner/.git"] {
        assert!(!into.join(path).exists(), "{path}");
    }
    assert!(!fixture.folder.path().join("checkout.index").exists());
}

#[tokio::test]
async fn a_commit_without_submodules_has_none() {
    let fixture = Fixture::new().await;
    fixture.write("own", "3");
    fixture.commit("one");
    assert_eq!(fixture.laid_out().await.unwrap().1, 0);
}

/// A commit that links to a submodule of which `.gitmodules` says this.
async fn linked(modules: &str, commit: &str) -> Result<(PathBuf, usize), Error> {
    let fixture = Fixture::new().await;
    fixture.write(".gitmodules", modules);
    fixture.commit("one");
    let entry = format!("160000,{commit},s");
    fixture.git(&["update-index", "--add", "--cacheinfo", &entry]);
    fixture.git(&["commit", "--quiet", "--message", "link"]);
    fixture.laid_out().await
}

#[tokio::test]
async fn an_address_that_could_run_something_or_is_missing_is_refused_by_the_submodules_path() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    for (url, expected) in [
        ("ext::sh -c id", ""),
        ("--upload-pack=id", ""),
        ("ssh://git@example.org/x", "the host of its repository alone"),
    ] {
        let modules = format!("[submodule \"s\"]\n\tpath = s\n\turl = {url}\n");
        let said = refusal(linked(&modules, commit).await);
        assert!(
            said.starts_with("submodule \"s\":") && said.contains(expected),
            "{said}"
        );
    }
    let said = refusal(linked("", commit).await);
    assert!(said.contains("has no address"), "{said}");
}

#[tokio::test]
async fn a_commit_that_the_submodules_repository_lacks_is_told_by_its_address() {
    let fixture = Fixture::new().await;
    let lib = fixture.other("lib", &[("code", "2")]);
    let modules = format!("[submodule \"s\"]\n\tpath = s\n\turl = file://{lib}\n");
    fixture.write(".gitmodules", &modules);
    fixture.commit("one");
    let absent = "0123456789abcdef0123456789abcdef01234567";
    fixture.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{absent},s"),
    ]);
    fixture.git(&["commit", "--quiet", "--message", "link"]);
    let said = refusal(fixture.laid_out().await);
    assert!(said.contains(&lib) && said.contains(absent), "{said}");
}

#[tokio::test]
async fn submodules_that_lie_too_deep_or_are_too_many_are_refused() {
    let fixture = Fixture::new().await;
    let mut inner = fixture.other("level-0", &[("code", "2")]);
    for level in 1..=5 {
        let holder = fixture.other(&format!("level-{level}"), &[]);
        fixture.add(&holder, &format!("file://{inner}"), "next");
        inner = holder;
    }
    fixture.write("own", "3");
    fixture.commit("one");
    let work = fixture.work().display().to_string();
    fixture.add(&work, &format!("file://{inner}"), "first");
    let said = refusal(fixture.laid_out().await);
    assert!(said.contains("deeper than 4"), "{said}");

    let fixture = Fixture::new().await;
    let lib = fixture.other("lib", &[("code", "2")]);
    let commit = fixture.git(&["-C", &lib, "rev-parse", "HEAD"]);
    let mut modules = String::new();
    for number in 0..65 {
        modules += &format!("[submodule \"{number}\"]\n\tpath = s{number}\n\turl = file://{lib}\n");
        fixture.git(&[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{commit},s{number}"),
        ]);
    }
    fixture.write(".gitmodules", &modules);
    fixture.git(&["add", ".gitmodules"]);
    fixture.git(&["commit", "--quiet", "--message", "many"]);
    let said = refusal(fixture.laid_out().await);
    assert!(said.contains("more than 64"), "{said}");
}
