//! What a service's tasks write: one file a release, through all restarts, of which the newest few stay.

mod desk;
mod excerpt;

pub(crate) use desk::{Desk, Running};
pub(crate) use excerpt::last_words;

use jiff::Timestamp;
use model::task_log::LOG_OURS;
use model::{ReleaseNumber, ServiceName};
use std::io;
use std::path::{Path, PathBuf};
use tasks::task::LogFile;

/// How many releases' output is kept of each service, besides what runs.
const RELEASES_KEPT: usize = 4;

/// Where a service's logs are.
fn folder(agent: &Path, service: &ServiceName) -> PathBuf {
    agent.join("services").join(service.as_str()).join("logs")
}

/// Where a release's output goes.
pub(crate) fn file(agent: &Path, service: &ServiceName, release: ReleaseNumber) -> PathBuf {
    folder(agent, service).join(format!("{release}.log"))
}

/// The releases whose output is kept, the newest first. Blocks.
fn releases(agent: &Path, service: &ServiceName) -> io::Result<Vec<ReleaseNumber>> {
    let entries = match fs_err::read_dir(folder(agent, service)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut releases = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_suffix(".log")?.parse().ok());
        releases.extend(number.map(ReleaseNumber));
    }
    releases.sort_unstable_by(|one, other| other.cmp(one));
    Ok(releases)
}

/// Makes room for a release's output: deletes that of the oldest ones, but for what `in_use` still writes. Blocks.
pub(crate) fn prune(agent: &Path, service: &ServiceName, in_use: &[PathBuf]) -> io::Result<()> {
    for release in releases(agent, service)?.into_iter().skip(RELEASES_KEPT - 1) {
        let path = file(agent, service, release);
        if !in_use.contains(&path) {
            fs_err::remove_file(path)?;
        }
    }
    Ok(())
}

/// Writes the agent's own word into a log, with the time. One that can't be written costs only itself.
pub(crate) async fn say(log: &LogFile, word: String) {
    let (log, now) = (log.clone(), Timestamp::now());
    let said = tokio::task::spawn_blocking(move || log.say(&format!("{LOG_OURS}{now:.0} {word}")));
    if let Err(error) = said.await.map_err(io::Error::other).flatten() {
        tracing::warn!(%error, "failed to write into a task's log");
    }
}

/// What [`say`] says when a process starts: what a process wrote stands behind the last such line.
pub(crate) fn start_line(release: ReleaseNumber, port: u16) -> String {
    format!("release {release} {STARTS}{port}")
}

const STARTS: &str = "starts; it is to listen on port ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_the_newest_releases_and_of_what_runs_stays() {
        let agent = tempfile::tempdir().unwrap();
        let service: ServiceName = "web".parse().unwrap();
        let path = |number| file(agent.path(), &service, ReleaseNumber(number));
        fs_err::create_dir_all(folder(agent.path(), &service)).unwrap();
        for number in [2, 9, 10, 11, 12, 100] {
            fs_err::write(path(number), "").unwrap();
        }
        fs_err::write(folder(agent.path(), &service).join("a stranger"), "").unwrap();
        prune(agent.path(), &service, &[path(2)]).unwrap();
        let kept = releases(agent.path(), &service).unwrap();
        assert_eq!(kept, [100, 12, 11, 2].map(ReleaseNumber));
        assert!(
            releases(agent.path(), &"other".parse().unwrap())
                .unwrap()
                .is_empty()
        );
    }
}
