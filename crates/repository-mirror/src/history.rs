//! Which commits lie between two.

use crate::{Error, Mirrors};
use model::{Commit, RepositoryName};

/// The most tags of one commit that are looked at.
const TAGS_MAX: usize = 200;
/// The longest author's name and the longest subject that are kept, in characters.
const TEXT_LENGTH_MAX: usize = 200;
/// The longest answer of git that is read, in bytes.
const ANSWER_LENGTH_MAX: usize = 4 << 20;

/// A commit, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitLine {
    /// Which commit.
    pub commit: Commit,
    /// Who wrote it, by his own word.
    pub author: String,
    /// When it was made, in seconds since 1970 (its committer's word).
    pub at: i64,
    /// The first line of its message.
    pub subject: String,
}

/// Commits, newest first, and whether there are more than were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commits {
    /// These.
    pub lines: Vec<CommitLine>,
    /// Whether some are left out.
    pub more: bool,
}

impl Mirrors {
    /// The tags that lead to a commit, by name, at most [`TAGS_MAX`].
    pub async fn tags_of(&self, name: &RepositoryName, commit: &Commit) -> Result<Vec<String>, Error> {
        self.demand(name)?;
        let answer = self
            .git_in(name, "list a commit's tags")
            .arguments(["for-each-ref", "--format=%(refname:lstrip=2)"])
            .arguments([format!("--count={TAGS_MAX}"), format!("--points-at={commit}")])
            .arguments(["refs/tags"])
            .run()
            .await?;
        let answer = String::from_utf8_lossy(&answer);
        Ok(answer.lines().map(str::to_owned).collect())
    }

    /// The commits that lead to `to` and not to `from`, at most `max`. The mirror must hold both.
    pub async fn commits_between(
        &self,
        name: &RepositoryName,
        from: &Commit,
        to: &Commit,
        max: usize,
    ) -> Result<Commits, Error> {
        let operation = "list the commits between two";
        self.demand(name)?;
        let answer = self
            .git_in(name, operation)
            .answer_length_max(ANSWER_LENGTH_MAX)
            .arguments([
                "log",
                "-z",
                "--no-show-signature",
                "--format=%H%x1f%an%x1f%ct%x1f%s",
            ])
            .arguments([format!("--max-count={}", max + 1)])
            .arguments(["--end-of-options", to.as_str(), &format!("^{from}")])
            .run()
            .await?;
        let answer = String::from_utf8_lossy(&answer);
        let lines = answer.split('\0').filter(|line| !line.is_empty());
        let parsed = lines.map(|line| CommitLine::parse(line).ok_or(Error::AnswerUnclear { operation }));
        let mut lines = parsed.collect::<Result<Vec<_>, _>>()?;
        let more = lines.len() > max;
        lines.truncate(max);
        Ok(Commits { lines, more })
    }
}

impl CommitLine {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(4, '\u{1f}');
        let mut field = || fields.next();
        Some(Self {
            commit: field()?.trim().parse().ok()?,
            author: shown(field()?),
            at: field()?.parse().ok()?,
            subject: shown(field()?),
        })
    }
}

/// Anybody may have written it, also what would move a terminal's cursor.
fn shown(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(TEXT_LENGTH_MAX)
        .collect()
}
