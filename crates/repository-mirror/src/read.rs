//! Questions that a mirror answers by itself.

use crate::fetch::DEFAULT_REF;
use crate::{Error, Mirrors};
use model::{Commit, RepositoryName, Revision};

/// The shortest abbreviation of a commit that is looked up, in digits.
const ABBREVIATION_LENGTH_MIN: usize = 7;
/// The longest list of files that is read, in bytes; about half a million files.
const LISTING_LENGTH_MAX: usize = 64 << 20;

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TreeFile {
    /// Git's mode: `100644`, `100755` for a program, `120000` for a link, `160000` for a submodule.
    pub mode: String,
    /// The name of its content.
    pub object: String,
    /// From the top of the repository.
    pub path: String,
}

impl TreeFile {
    /// One line of `git ls-tree`: `100644 blob HASH⇥PATH`.
    fn parse(line: &str) -> Option<Self> {
        let (left, path) = line.split_once('\t')?;
        let mut fields = left.split(' ');
        let (mode, object) = (fields.next()?, fields.nth(1)?);
        Some(Self {
            mode: mode.to_owned(),
            object: object.to_owned(),
            path: path.to_owned(),
        })
    }
}

impl Mirrors {
    /// Whether the mirror holds a commit of this name.
    pub async fn has_commit(&self, name: &RepositoryName, commit: &Commit) -> Result<bool, Error> {
        let found = self.first_commit(name, &[format!("{commit}^{{commit}}")]).await?;
        // A tag object's name is no commit's, though it leads to one.
        Ok(found.as_ref() == Some(commit))
    }

    /// What a revision means in the mirror as it is. A branch is preferred to a tag of the same name,
    /// and either to an abbreviated commit.
    pub async fn resolve(&self, name: &RepositoryName, revision: &Revision) -> Result<Commit, Error> {
        let found = self.first_commit(name, &meanings(revision)).await?;
        found.ok_or_else(|| Error::UnknownRevision {
            repository: name.clone(),
            revision: revision.clone(),
        })
    }

    /// When a commit was made, in seconds since 1970 (its committer's word).
    pub async fn commit_time(&self, name: &RepositoryName, commit: &Commit) -> Result<i64, Error> {
        let operation = "read a commit's time";
        self.demand(name)?;
        let answer = self
            .git_in(name, operation)
            .arguments(["rev-list", "--max-count=1", "--no-commit-header", "--format=%ct"])
            .arguments(["--end-of-options", commit.as_str()])
            .run()
            .await?;
        let text = String::from_utf8_lossy(&answer);
        text.trim()
            .parse()
            .map_err(|_| Error::AnswerUnclear { operation })
    }

    /// What a file held at a commit; `None` where there is none. A file of more than `length_max` bytes
    /// is an error, and so is a folder or a link.
    pub async fn read_file(
        &self,
        name: &RepositoryName,
        commit: &Commit,
        path: &str,
        length_max: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Some(entry) = self.entry(name, commit, path).await? else {
            return Ok(None);
        };
        if entry.mode != "100644" && entry.mode != "100755" {
            return Err(Error::NotAFile(path.to_owned()));
        }
        if entry.length > length_max {
            let path = path.to_owned();
            return Err(Error::TooLarge { path, length_max });
        }
        let run = self.git_in(name, "read a file").answer_length_max(length_max);
        run.arguments(["cat-file", "blob", &entry.object])
            .run()
            .await
            .map(Some)
    }

    /// The files of a commit that are below any of `roots` (or are one), in the order of their paths. `""`
    /// means all. Submodules count as files, of the commit that they name.
    pub async fn files(
        &self,
        name: &RepositoryName,
        commit: &Commit,
        roots: &[String],
    ) -> Result<Vec<TreeFile>, Error> {
        let operation = "list a commit's files";
        self.demand(name)?;
        let run = self
            .git_in(name, operation)
            .answer_length_max(LISTING_LENGTH_MAX)
            .arguments(["ls-tree", "-r", "-z", "--full-tree", commit.as_str(), "--"]);
        let all = roots.iter().any(String::is_empty);
        let answer = if all { run } else { run.arguments(roots) }.run().await?;
        let lines = answer.split(|&byte| byte == 0).filter(|line| !line.is_empty());
        lines
            .map(|line| {
                let line = std::str::from_utf8(line).map_err(|_| Error::PathNotText)?;
                TreeFile::parse(line).ok_or(Error::AnswerUnclear { operation })
            })
            .collect()
    }

    async fn entry(
        &self,
        name: &RepositoryName,
        commit: &Commit,
        path: &str,
    ) -> Result<Option<TreeEntry>, Error> {
        let operation = "look for a file";
        self.demand(name)?;
        let answer = self
            .git_in(name, operation)
            .arguments([
                "ls-tree",
                "-z",
                "--long",
                "--full-tree",
                commit.as_str(),
                "--",
                path,
            ])
            .run()
            .await?;
        if answer.is_empty() {
            return Ok(None);
        }
        let entry = std::str::from_utf8(&answer).ok().and_then(TreeEntry::parse);
        entry.map(Some).ok_or(Error::AnswerUnclear { operation })
    }

    /// The first of `expressions` that names a commit. They go in by standard input, one a line, so
    /// none can be taken for an option.
    async fn first_commit(
        &self,
        name: &RepositoryName,
        expressions: &[String],
    ) -> Result<Option<Commit>, Error> {
        self.demand(name)?;
        let lines: String = expressions.iter().flat_map(|line| [line, "\n"]).collect();
        let answer = self
            .git_in(name, "look a revision up")
            .input(lines.as_bytes())
            .arguments(["cat-file", "--batch-check=%(objecttype) %(objectname)"])
            .run()
            .await?;
        let answer = String::from_utf8_lossy(&answer);
        let mut commits = answer.lines().filter_map(|line| line.strip_prefix("commit "));
        Ok(commits.find_map(|text| text.parse().ok()))
    }
}

/// What a revision may mean, in the order of preference.
fn meanings(revision: &Revision) -> Vec<String> {
    let text = revision.as_str();
    if text == "HEAD" {
        return vec![format!("{DEFAULT_REF}^{{commit}}")];
    }
    if text.starts_with("refs/heads/") || text.starts_with("refs/tags/") {
        return vec![format!("{text}^{{commit}}")];
    }
    let mut meanings = vec![
        format!("refs/heads/{text}^{{commit}}"),
        format!("refs/tags/{text}^{{commit}}"),
    ];
    if text.len() >= ABBREVIATION_LENGTH_MIN && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        meanings.push(format!("{text}^{{commit}}"));
    }
    meanings
}

/// One line of `git ls-tree --long`: `100644 blob HASH LENGTH⇥PATH`.
struct TreeEntry {
    mode: String,
    object: String,
    length: usize,
}

impl TreeEntry {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_once('\t')?.0.split_ascii_whitespace();
        let mode = fields.next()?.to_owned();
        let object = fields.nth(1)?.to_owned();
        // Folders and submodules have no length and show '-'.
        let length = fields.next()?.parse().unwrap_or(0);
        Some(Self { mode, object, length })
    }
}
