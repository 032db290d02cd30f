//! Removing what a build left, however it is made.
//!
//! A build may have nested folders deeper than any path reaches, and deeper than a walk that keeps a folder open
//! for each level, or a frame on its stack, survives. So every folder that is found inside another is first
//! moved beside it, and all paths stay short.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Part of the names of the folders that hold what is being removed.
pub(crate) const REMOVING: &str = ".removing-";

/// Removes a folder and everything in it, or a file; also where a build took the right to do so from its folders
/// (as Go does with its module cache). Links are removed, never followed. Nothing may run in it any more.
/// Blocks.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs_err::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.is_dir() => return fs_err::remove_file(path),
        Ok(_) => {}
    }
    let pit = pit_beside(path)?;
    let mut folders = vec![path.to_owned()];
    let mut moved = 0_u64;
    while let Some(folder) = folders.pop() {
        unlock(&folder)?;
        for entry in fs_err::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                // A folder that is moved is written to: its `..` changes.
                unlock(&entry.path())?;
                let place = pit.join(moved.to_string());
                fs_err::rename(entry.path(), &place)?;
                folders.push(place);
                moved += 1;
            } else {
                fs_err::remove_file(entry.path())?;
            }
        }
        fs_err::remove_dir(&folder)?;
    }
    fs_err::remove_dir(&pit)
}

/// A new folder in the same one as `path`, where a rename is possible.
fn pit_beside(path: &Path) -> io::Result<PathBuf> {
    for number in 0_u32.. {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("{REMOVING}{number}"));
        match fs_err::create_dir(&name) {
            Ok(()) => return Ok(name.into()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn unlock(folder: &Path) -> io::Result<()> {
    fs_err::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_folders_links_and_files_are_removed_and_links_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        fs_err::create_dir_all(kept.join("inside")).unwrap();
        let top = folder.path().join("top");
        let locked = top.join("a/locked");
        fs_err::create_dir_all(&locked).unwrap();
        fs_err::write(locked.join("file"), "x").unwrap();
        std::os::unix::fs::symlink(&kept, top.join("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", top.join("dangling")).unwrap();
        fs_err::set_permissions(&locked, std::fs::Permissions::from_mode(0o500)).unwrap();

        remove(&top).unwrap();
        remove(&top).unwrap();
        fs_err::write(&top, "a file").unwrap();
        remove(&top).unwrap();
        let left = fs_err::read_dir(folder.path()).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
        assert!(kept.join("inside").exists());
    }

    #[test]
    fn folders_that_are_nested_deeper_than_paths_and_stacks_reach_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (top, next) = (folder.path().join("top"), folder.path().join("next"));
        fs_err::create_dir(&top).unwrap();
        for _ in 0..20_000 {
            fs_err::create_dir(&next).unwrap();
            fs_err::rename(&top, next.join("d")).unwrap();
            fs_err::rename(&next, &top).unwrap();
        }
        remove(&top).unwrap();
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0);
    }
}
