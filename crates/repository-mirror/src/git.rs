//! One run of git: a clean environment, a deadline, bounded answers, and nothing left behind.

use crate::Error;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// For what only reads and writes the local disk.
const LOCAL_DEADLINE: Duration = Duration::from_secs(300);
/// The most that git may answer unless a caller allows more, in bytes.
const ANSWER_LENGTH_MAX: usize = 64 * 1024;
/// How much of git's complaint is kept, in bytes; its end says what went wrong.
const COMPLAINT_LENGTH_MAX: usize = 2 * 1024;
/// Where git and what it starts are looked for. Fixed, so that no variable of ours chooses.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How git is run here.
#[derive(Debug)]
pub(crate) struct Git {
    settings: PathBuf,
    home: PathBuf,
}

/// One run, while it is being described.
#[derive(Debug)]
pub(crate) struct Run<'git> {
    command: Command,
    operation: &'static str,
    deadline: Duration,
    answer_length_max: usize,
    input: &'git [u8],
}

impl Git {
    pub(crate) fn new(settings: PathBuf, home: PathBuf) -> Self {
        Self { settings, home }
    }

    /// A run inside a bare repository. `operation` completes "git could not …".
    pub(crate) fn run_in(&self, repository: &Path, operation: &'static str) -> Run<'_> {
        let mut run = self.run(operation);
        run.command.arg("--git-dir").arg(repository);
        run
    }

    /// A run outside of any repository.
    pub(crate) fn run(&self, operation: &'static str) -> Run<'_> {
        let mut command = Command::new("git");
        command
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", &self.home)
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", &self.settings)
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "/bin/false")
            .env("SSH_ASKPASS", "/bin/false")
            .env("GIT_PROTOCOL_FROM_USER", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .current_dir(&self.home)
            .process_group(0)
            .kill_on_drop(true)
            .arg("--no-pager")
            .arg("--literal-pathspecs");
        Run {
            command,
            operation,
            deadline: LOCAL_DEADLINE,
            answer_length_max: ANSWER_LENGTH_MAX,
            input: &[],
        }
    }
}

impl<'git> Run<'git> {
    /// Works on a folder of files, with an index of its own.
    pub(crate) fn work_tree(mut self, folder: &Path, index: &Path) -> Self {
        self.command.arg("--work-tree").arg(folder);
        self.index(index)
    }

    /// Works on an index of its own.
    pub(crate) fn index(mut self, index: &Path) -> Self {
        self.command.env("GIT_INDEX_FILE", index);
        self
    }

    pub(crate) fn arguments(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(crate) fn answer_length_max(mut self, bytes: usize) -> Self {
        self.answer_length_max = bytes;
        self
    }

    pub(crate) fn input(mut self, input: &'git [u8]) -> Self {
        self.input = input;
        self
    }

    /// Runs git and returns what it wrote to its standard output. When the future is dropped, git and
    /// everything that it started are killed.
    pub(crate) async fn run(mut self) -> Result<Vec<u8>, Error> {
        let arguments: Vec<OsString> = self.command.as_std().get_args().map(OsStr::to_owned).collect();
        tracing::debug!(git.arguments = ?arguments, "running git");
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut group = Group::of(self.command.spawn()?);
        let (operation, deadline) = (self.operation, self.deadline);
        let answered = tokio::time::timeout(deadline, converse(&mut group.child, &self)).await;
        let (answer, complaint, status) = answered.map_err(|_| Error::Deadline {
            operation,
            seconds: deadline.as_secs(),
        })??;
        group.ended();
        if answer.len() > self.answer_length_max {
            let length_max = self.answer_length_max;
            return Err(Error::AnswerTooLong {
                operation,
                length_max,
            });
        }
        if status.success() {
            Ok(answer)
        } else {
            let reason = readable(&complaint);
            Err(Error::Git { operation, reason })
        }
    }
}

/// Writes the input and reads both outputs, all at once so that no full pipe stops git; then waits for
/// its end.
async fn converse(child: &mut Child, run: &Run<'_>) -> std::io::Result<(Vec<u8>, Vec<u8>, ExitStatus)> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // Git may end without reading everything; what it answers decides.
            let _ = stdin.write_all(run.input).await;
        }
    };
    let ((), answer, complaint) = tokio::join!(
        write,
        beginning(stdout, run.answer_length_max),
        end(stderr, COMPLAINT_LENGTH_MAX)
    );
    Ok((answer?, complaint?, child.wait().await?))
}

/// Reads one byte more than `length_max` at most; closing the pipe then ends git.
async fn beginning(stream: Option<impl AsyncRead + Unpin>, length_max: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(length_max as u64 + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// Reads everything and keeps the last `length_max` bytes.
async fn end(stream: Option<impl AsyncRead + Unpin>, length_max: usize) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else {
        return Ok(kept);
    };
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(&buffer[..count]);
        let surplus = kept.len().saturating_sub(length_max);
        kept.drain(..surplus);
    }
}

/// A server may answer anything, also what would move a terminal's cursor.
fn readable(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            line.chars()
                .filter(|c| !c.is_control())
                .collect::<String>()
                .trim()
                .to_owned()
        })
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("; ")
}

/// A child and its process group, killed on drop unless it has ended. Git's own helpers (ssh, the
/// transport programs) are in the group.
struct Group {
    child: Child,
    leader: Option<Pid>,
}

impl Group {
    fn of(child: Child) -> Self {
        let leader = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        Self { child, leader }
    }

    /// The number may be another process's from now on.
    fn ended(&mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
