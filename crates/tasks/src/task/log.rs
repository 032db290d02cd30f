//! A task's log file, kept from filling the disk.
//!
//! The process writes to the file directly, not through us: it must go on logging while the agent is
//! away. So the file can't be renamed from under it; it is copied aside and cut to nothing. The process
//! writes in append mode and goes on at the new end. What it writes between copy and cut is lost.

use super::LogFile;
use crate::Error;
use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often a log's size is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn open(log: &LogFile) -> Result<std::fs::File, Error> {
    let file = fs_err::tokio::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log.path)
        .await
        .map_err(|source| Error::Prepare {
            path: log.path.clone(),
            source,
        })?;
    Ok(file.into_std().await.into_parts().0)
}

/// Looks again and again; never ends by itself.
pub(super) async fn keep_bounded(log: &LogFile) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = rotate(log).await {
            tracing::warn!(log.path = %log.path.display(), %error, "failed to move a task's log aside");
        }
    }
}

async fn rotate(log: &LogFile) -> io::Result<()> {
    match fs_err::tokio::metadata(&log.path).await {
        Ok(found) if found.len() <= log.length_max => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let log = log.clone();
    tokio::task::spawn_blocking(move || move_aside(&log))
        .await
        .map_err(io::Error::other)?
}

/// Keeps the newest `length_max` bytes aside; a log may have grown far beyond while nobody looked.
fn move_aside(log: &LogFile) -> io::Result<()> {
    let mut file = fs_err::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&log.path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(log.length_max)))?;
    let mut aside = fs_err::File::create(older(&log.path))?;
    io::copy(&mut (&mut file).take(log.length_max), &mut aside)?;
    file.set_len(0)
}

/// Where what came before is: `PATH.1`.
fn older(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".1");
    PathBuf::from(name)
}
