//! A repository and a mirror of it, in one folder.

use model::repository::LocalRepositories;
use model::{Commit, RepositoryName, RepositoryUrl, Revision};
use repository_mirror::{Error, Mirrors, Selection};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A repository that an engineer works in, and a mirror folder beside it.
pub struct Fixture {
    pub folder: TempDir,
    pub mirrors: Mirrors,
}

impl Fixture {
    pub async fn new() -> Self {
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

    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn url(&self) -> RepositoryUrl {
        let text = format!("file://{}", self.work().display());
        RepositoryUrl::parse(&text, LocalRepositories::Allowed).unwrap()
    }

    pub fn git(&self, arguments: &[&str]) -> String {
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

    pub fn write(&self, path: &str, text: &str) {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn commit(&self, message: &str) -> Commit {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    pub async fn ensure(&self) {
        self.mirrors.ensure(&name(), &self.url()).await.unwrap();
    }

    pub async fn checkout(&self, commit: &Commit, into: &Path, what: Selection<'_>) {
        self.mirrors.checkout(&name(), commit, into, what).await.unwrap();
    }

    pub async fn resolve(&self, text: &str) -> Result<Commit, Error> {
        self.mirrors
            .resolve(&name(), &text.parse::<Revision>().unwrap())
            .await
    }
}

pub fn name() -> RepositoryName {
    "starling".parse().unwrap()
}

pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
