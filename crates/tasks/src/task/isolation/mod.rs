//! A task apart from the agent and from every other task, as far as the machine allows it.
//!
//! Where the agent is root, a task is a user of its own: a stranger to the agent's files and to every other service's.
//! Where namespaces can be made, it has its own temporary folders, its own shared memory and host name, and sees of the
//! agent's folder only what is meant for it. It has no capability, and can't gain any by a setuid program.
//!
//! It shares with the host: the network, since its port must be reached there; and process numbers. The first process of
//! a PID namespace hears no SIGTERM that it doesn't handle (pid_namespaces(7)), so that programs which end well when they
//! are asked today would be killed at the end of their time.

mod give;
mod means;
mod words;

pub use means::{Means, Missing};
pub(super) use words::wrapped;
pub(crate) use words::{joined, variables};

use super::TaskSpec;
use crate::Error;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What keeps a task apart. Nothing does by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Isolation {
    /// As which user it runs, with the group of the same number and no other; as the agent's own user without.
    pub user: Option<u32>,
    /// Whether it has namespaces of its own: for mounts, System V IPC and the host name.
    pub namespaces: bool,
}

/// What a task with namespaces of its own sees of the agent's folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// What is covered: the agent's folder, and files that are the agent's alone wherever they lie.
    pub hidden: Vec<PathBuf>,
    /// The release's files, which it can read.
    pub artifact: PathBuf,
    /// Its service's folder, which it can read.
    pub service: PathBuf,
    /// What it sees as `/tmp` and `/var/tmp`: emptied before it starts. Inside `service`, as its working folder is.
    pub temporary: PathBuf,
}

impl Isolation {
    /// Whether nothing keeps the task apart.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Makes a task's folders, and makes them its user's. Blocks.
pub(super) fn prepare(spec: &TaskSpec) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Prepare { path, source }
    };
    if spec.isolation.is_empty() {
        return fs_err::create_dir_all(&spec.folder).map_err(failed(&spec.folder));
    }
    let temporary = &spec.view.temporary;
    match fs_err::remove_dir_all(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(temporary)(error)),
        _ => {}
    }
    make_own(&spec.folder, spec.isolation.user)?;
    make_own(temporary, spec.isolation.user)
}

/// Makes a folder that is a user's, or the agent's own user's. Blocks.
pub(super) fn make_own(folder: &Path, user: Option<u32>) -> Result<(), Error> {
    let made = make_private(folder).and_then(|()| user.map_or(Ok(()), |user| give::give(folder, user)));
    made.map_err(|source| Error::Prepare {
        path: folder.to_owned(),
        source,
    })
}

/// Makes a folder that only its owner enters, below folders that everybody may pass.
fn make_private(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs_err::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Why a task could not run its program as a user of its own, if that is so: something on the way to it is closed to
/// others. Where it has `namespaces`, what lies above the artifact doesn't matter. Blocks.
pub fn obstacle(artifact: &Path, program: &Path, namespaces: bool) -> Option<String> {
    let open =
        |path: &Path, bits: u32| std::fs::metadata(path).is_ok_and(|found| found.mode() & bits == bits);
    let program = artifact.join(program);
    let end = if namespaces { artifact.parent() } else { None };
    let mut folders = program
        .ancestors()
        .skip(1)
        .take_while(|folder| Some(*folder) != end);
    let closed = folders.find(|folder| !folder.as_os_str().is_empty() && !open(folder, 0o001));
    let closed = closed.or_else(|| (!open(&program, 0o005)).then_some(&program))?;
    Some(format!("{} is closed to other users", closed.display()))
}

/// The topmost folder on the way to `folder` that is closed to other users, which a task of another user must see
/// covered to get further; `folder` itself where none is. Blocks.
pub fn cover(folder: &Path) -> PathBuf {
    let closed = |path: &&Path| std::fs::metadata(path).is_ok_and(|found| found.mode() & 0o001 == 0);
    let topmost = folder.ancestors().filter(closed).last();
    topmost.unwrap_or(folder).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_closed_to_others_on_the_way_to_a_program_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let artifact = folder.path().join("artifact");
        let program = artifact.join("bin/run");
        std::fs::create_dir_all(artifact.join("bin")).unwrap();
        std::fs::write(&program, "").unwrap();
        let mode =
            |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        for (path, open) in [
            (artifact.as_path(), 0o755),
            (&artifact.join("bin"), 0o755),
            (&program, 0o755),
        ] {
            mode(path, open);
        }
        mode(folder.path(), 0o700);
        let found = |namespaces| obstacle(&artifact, Path::new("bin/run"), namespaces);
        assert_eq!(found(true), None);
        assert!(found(false).unwrap().contains(folder.path().to_str().unwrap()));
        assert_eq!(cover(&artifact), folder.path());
        mode(folder.path(), 0o711);
        assert_eq!(found(false), None);
        assert_eq!(cover(&artifact), artifact);
        for closed in [&artifact.join("bin"), &program] {
            mode(closed, 0o700);
            assert!(
                found(true).unwrap().contains(closed.to_str().unwrap()),
                "{closed:?}"
            );
            mode(closed, 0o755);
        }
    }
}
