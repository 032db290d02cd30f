//! The words that become a task's program, apart.
//!
//! Everything happens in the process itself, by programs that take each other's place, so that it keeps its number. The
//! scripts are fixed, and get paths as arguments, never as text.
//!
//! The program's variables are not there until it is its own user: `LD_PRELOAD` among them would otherwise load the
//! release's library as root. They travel in memory, as standard input, since a command line can be read by every user of
//! the machine.

use super::{Isolation, View};
use crate::Error;
use model::service::is_variable_name;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::geteuid;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::path::Path;

/// All by full path: a task's own `PATH` must never choose what runs as root.
const NSENTER: &str = "/usr/bin/nsenter";
const SETPRIV: &str = "/usr/bin/setpriv";
const SHELL: &str = "/bin/sh";
const UNSHARE: &str = "/usr/bin/unshare";

/// Takes away what is not the task's to see. What it is to see lies behind what is covered, and is reached through
/// descriptors that were opened before. A bind mount is read-only only by being mounted again; where the agent is not
/// root, that may take no flag away that is locked, such as `nosuid` (mount_namespaces(7)).
const COVER: &str = r#"set -e
exec 4<"$1" 5<"$2" 6<"$3" 7<"$4"
mount() { /usr/bin/mount -n "$@"; }
bind() { mount --no-canonicalize --bind "$1" "$2"; }
read_only() { mount -o remount,bind,ro,nosuid,nodev "$1"; }
artifact=$1 service=$2 run=$3
shift 4
bind /proc/self/fd/7 /tmp
if [ -d /var/tmp ]; then bind /proc/self/fd/7 /var/tmp; fi
if [ -d /dev/shm ]; then mount -t tmpfs -o mode=1777,size=256m,nosuid,nodev tmpfs /dev/shm; fi
covered=$1
(umask 022; /bin/mkdir -p "$covered")
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mount -t tmpfs -o mode=755,size=1m,nosuid,nodev tmpfs "$1"
  elif [ -e "$1" ]; then bind /dev/null "$1"; fi
  shift
done
shift
(umask 022; /bin/mkdir -p "$artifact" "$service")
bind /proc/self/fd/5 "$service"
read_only "$service"
bind /proc/self/fd/4 "$artifact"
read_only "$artifact"
bind /proc/self/fd/6 "$run"
read_only "$covered"
exec 4<&- 5<&- 6<&- 7<&-
exec "$@"
"#;

/// Takes the variables in, then the program's place.
const BECOME: &str = "set -e; cd \"$1\"; shift; eval \"$(/bin/cat)\"; exec \"$@\" </dev/null";

/// What becomes these words, apart, in this working folder, with [`variables`] as standard input.
pub(in crate::task) fn wrapped(
    isolation: Isolation,
    view: &View,
    folder: &Path,
    words: Vec<OsString>,
) -> Vec<OsString> {
    let inner = stripped(isolation, folder, words);
    if !isolation.namespaces {
        return inner;
    }
    let mut wrapped = unshared();
    wrapped.extend([SHELL, "-c", COVER, SHELL].map(OsString::from));
    let places = [&view.artifact, &view.service, folder, &view.temporary].map(AsRef::<OsStr>::as_ref);
    wrapped.extend(places.map(OsString::from));
    wrapped.extend(view.hidden.iter().map(OsString::from));
    wrapped.push("--".into());
    wrapped.extend(inner);
    wrapped
}

/// What becomes these words in the namespaces of a task's process, as its user, with [`variables`] as standard input.
pub(crate) fn joined(
    isolation: Isolation,
    process: Option<u32>,
    folder: &Path,
    words: Vec<OsString>,
) -> Vec<OsString> {
    let inner = stripped(isolation, folder, words);
    let Some(process) = process.filter(|_| isolation.namespaces) else {
        return inner;
    };
    let mut joined = vec![NSENTER.into(), format!("--target={process}").into()];
    if !geteuid().is_root() {
        joined.extend(["--user", "--preserve-credentials"].map(OsString::from));
    }
    joined.extend(["--mount", "--ipc", "--uts", "--"].map(OsString::from));
    joined.extend(inner);
    joined
}

/// What becomes what follows in namespaces of its own. Only root can make them without one for users, in which an
/// ordinary user then may do as much.
pub(super) fn unshared() -> Vec<OsString> {
    let mut words = vec![OsString::from(UNSHARE)];
    if !geteuid().is_root() {
        words.extend(["--user", "--map-current-user", "--keep-caps"].map(OsString::from));
    }
    words.extend(["--mount", "--ipc", "--uts", "--propagation=slave", "--"].map(OsString::from));
    words
}

/// What becomes what follows as this user, with no group but its own, no capability, and no way to gain one.
pub(super) fn privileges(user: Option<u32>) -> Vec<OsString> {
    let mut words = vec![OsString::from(SETPRIV)];
    if let Some(user) = user {
        words.extend([format!("--reuid={user}"), format!("--regid={user}")].map(OsString::from));
        words.push("--clear-groups".into());
    }
    let none = ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"];
    words.extend(none.map(OsString::from));
    words.extend(["--no-new-privs", "--"].map(OsString::from));
    words
}

fn stripped(isolation: Isolation, folder: &Path, words: Vec<OsString>) -> Vec<OsString> {
    let mut stripped = privileges(isolation.user);
    stripped.extend([SHELL, "-c", BECOME, SHELL].map(OsString::from));
    stripped.push(folder.into());
    stripped.extend(words);
    stripped
}

/// A file in memory that says these variables as a shell reads them.
pub(crate) fn variables(environment: &BTreeMap<String, String>) -> Result<File, Error> {
    let mut text = String::new();
    for (name, value) in environment {
        if !is_variable_name(name) {
            let words = format!("{name:?} is no name of a variable");
            return Err(Error::Variables(io::Error::new(
                io::ErrorKind::InvalidInput,
                words,
            )));
        }
        text.push_str(&format!("export {name}='{}'\n", value.replace('\'', r"'\''")));
    }
    let written = || {
        let mut file = File::from(memfd_create("variables", MemfdFlags::CLOEXEC)?);
        file.write_all(text.as_bytes())?;
        file.rewind()?;
        Ok(file)
    };
    written().map_err(Error::Variables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn variables_are_written_so_that_a_shell_reads_them_as_they_were() {
        let value = "it's\n\"$(id)\" `id` \\ é\n";
        let environment = BTreeMap::from([("A_1".to_owned(), value.to_owned())]);
        let mut text = String::new();
        variables(&environment)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        let said = std::process::Command::new(SHELL)
            .args(["-c", &format!("{text}/usr/bin/env -0")])
            .env_clear()
            .output()
            .unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(
            said.split('\0')
                .any(|variable| variable == format!("A_1={value}")),
            "{said}"
        );
        for bad in ["", "1A", "A-B", "A;id", "é"] {
            let environment = BTreeMap::from([(bad.to_owned(), String::new())]);
            assert!(variables(&environment).is_err(), "{bad:?}");
        }
    }
}
