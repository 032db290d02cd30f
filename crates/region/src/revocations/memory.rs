//! What the API said last, on the manager's own disk: one that starts while the API is away keeps out whom it kept out.

use super::LIST_LENGTH_MAX;
use model::node::RevokedPeers;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// One file. Every call is made by a thread that may block.
#[derive(Debug, Clone)]
pub(super) struct Memory(PathBuf);

impl Memory {
    pub(super) fn new(file: PathBuf) -> Self {
        Self(file)
    }

    /// The list that was kept last; an empty one where none was.
    pub(super) async fn recall(&self) -> io::Result<RevokedPeers> {
        let file = self.0.clone();
        tokio::task::spawn_blocking(move || read(&file)).await?
    }

    /// Keeps a list; returns once the disk has it.
    pub(super) async fn keep(&self, list: RevokedPeers) -> io::Result<()> {
        let file = self.0.clone();
        tokio::task::spawn_blocking(move || write(&file, &list)).await?
    }
}

fn read(file: &Path) -> io::Result<RevokedPeers> {
    let length = match fs::metadata(file) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(RevokedPeers::default()),
        Err(error) => return Err(error),
    };
    if length > LIST_LENGTH_MAX as u64 {
        return Err(io::Error::new(
            ErrorKind::FileTooLarge,
            "the list of revoked peers is too long",
        ));
    }
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

/// A crash leaves the list from before or the new one, never a part.
fn write(path: &Path, list: &RevokedPeers) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec(list)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
