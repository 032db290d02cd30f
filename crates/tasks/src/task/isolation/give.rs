//! Making a folder a user's own.
//!
//! Who owned it before may still be at work in it, so no step follows a path twice: a folder that was exchanged for a link
//! meanwhile must not lead to somebody else's files.

use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, open, openat, statat};
use std::fs::Permissions;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

/// How deep folders are followed. Each level holds a descriptor.
const DEPTH_MAX: u32 = 128;
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Makes a folder, and everything in it unless it is already, a user's own, which nobody else enters. Blocks.
pub(super) fn give(folder: &Path, user: u32) -> io::Result<()> {
    let opened = std::fs::File::from(open(folder, FOLDER, Mode::empty())?);
    if opened.metadata()?.uid() == user {
        return Ok(());
    }
    give_within(opened.as_fd(), user, DEPTH_MAX)?;
    opened.set_permissions(Permissions::from_mode(0o700))?;
    // Last, so that a folder which is the user's was given whole.
    fchown(&opened, Some(user), Some(user))
}

fn give_within(folder: BorrowedFd<'_>, user: u32, depth: u32) -> io::Result<()> {
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| io::Error::other(format!("folders lie more than {DEPTH_MAX} deep")))?;
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if [c".", c".."].contains(&name) {
            continue;
        }
        let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            let inner = openat(folder, name, FOLDER, Mode::empty())?;
            give_within(inner.as_fd(), user, depth)?;
        } else if found.st_nlink > 1 {
            // It has another name, perhaps where it is somebody else's.
            continue;
        }
        let (owner, group) = (Uid::from_raw(user), Gid::from_raw(user));
        chownat(folder, name, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_folder_is_given_whole_but_nothing_that_a_link_names() {
        if !rustix::process::geteuid().is_root() {
            return eprintln!("skipped: only root gives files away");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["other", "given/inner/deep"] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        for name in ["other/file", "other/twice", "given/inner/deep/file"] {
            std::fs::write(path(name), "").unwrap();
        }
        symlink(path("other"), path("given/link")).unwrap();
        std::fs::hard_link(path("other/twice"), path("given/twice")).unwrap();
        give(&path("given"), 4_242).unwrap();
        let owner = |name: &str| std::fs::symlink_metadata(path(name)).unwrap().uid();
        for name in [
            "given",
            "given/link",
            "given/inner",
            "given/inner/deep",
            "given/inner/deep/file",
        ] {
            assert_eq!(owner(name), 4_242, "{name}");
        }
        for name in ["other", "other/file", "other/twice"] {
            assert_eq!(owner(name), 0, "{name}");
        }
    }
}
