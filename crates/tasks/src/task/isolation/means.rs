//! What this machine lets an agent keep its tasks apart by, found out by trying.

use super::words::{privileges, unshared};
use rustix::process::geteuid;
use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How long a try may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest word of a program that is repeated, in bytes.
const WORD_LENGTH_MAX: usize = 200;

/// Mounts something, as a task's entry does, then becomes what follows.
const MOUNT: &str = "set -e; /usr/bin/mount -n --bind /tmp /tmp; exec \"$@\"";

/// What can be done to keep tasks apart; of what can't, why not and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Means {
    /// Whether tasks can be users of their own.
    pub users: Result<(), Missing>,
    /// Whether they can have namespaces of their own.
    pub namespaces: Result<(), Missing>,
}

/// Why tasks can't be kept apart in one way, and what would help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// Only root makes other users' processes.
    #[error("the agent is an ordinary user, so that its tasks are the same user: run it as root")]
    NotRoot,
    /// Root may not do it.
    #[error(
        "tasks can't be made other users ({0}): give the agent the capabilities CHOWN, KILL, SETGID, SETPCAP and SETUID"
    )]
    Users(String),
    /// Root may not do it.
    #[error("namespaces can't be made ({0}): give the agent the capability SYS_ADMIN")]
    Namespaces(String),
    /// An ordinary user may not do it.
    #[error(
        "namespaces can't be made ({0}): run the agent as root, or allow ordinary users to make user namespaces \
         (kernel.unprivileged_userns_clone = 1, kernel.apparmor_restrict_unprivileged_userns = 0)"
    )]
    UserNamespaces(String),
}

impl Means {
    /// Tries each, as this user.
    pub async fn look(user: u32) -> Self {
        let root = geteuid().is_root();
        let users = if root {
            attempt(privileges(Some(user))).await.map_err(Missing::Users)
        } else {
            Err(Missing::NotRoot)
        };
        let mut words = unshared();
        words.extend(["/bin/sh", "-c", MOUNT, "/bin/sh"].map(OsString::from));
        words.extend(privileges(None));
        let namespaces = attempt(words).await;
        Self {
            users,
            namespaces: namespaces.map_err(if root {
                Missing::Namespaces
            } else {
                Missing::UserNamespaces
            }),
        }
    }
}

/// Runs what these words become, which should end well.
async fn attempt(mut words: Vec<OsString>) -> Result<(), String> {
    words.push("/bin/true".into());
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = match ended {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("{}: {error}", words[0].display())),
        Err(_) => return Err(format!("{} did not end", words[0].display())),
    };
    if output.status.success() {
        return Ok(());
    }
    let mut word = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    word.truncate(word.floor_char_boundary(WORD_LENGTH_MAX));
    Err(if word.is_empty() {
        output.status.to_string()
    } else {
        word
    })
}
