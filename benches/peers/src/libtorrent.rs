//! libtorrent-rasterbar, by Debian's Python binding.

use crate::session::{SEED_LIMIT, Start, Whole};
use crate::{Session, Setting};
use anyhow::ensure;
use bench_network::Node;
use local_services::free_port;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// Debian's own Python, which alone knows Debian's binding.
const PYTHON: &str = "/usr/bin/python3";
const SCRIPT: &str = include_str!("take_part.py");
/// What the script says once it has only the torrent to wait for.
const WAITS: &str = "waiting";

pub(crate) fn is_installed() -> bool {
    let tried = Command::new(PYTHON).args(["-c", "import libtorrent"]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// Describes a file for BitTorrent. Blocks while the content is hashed.
///
/// # Errors
/// When libtorrent is not there or fails.
pub(crate) fn make_torrent(content: &Path, tracker: &str, torrent: &Path) -> anyhow::Result<()> {
    let output = Command::new(PYTHON)
        .args(["-c", SCRIPT, "make"])
        .args([content.as_os_str(), tracker.as_ref(), torrent.as_os_str()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "failed to describe the content: {said}");
    Ok(())
}

pub(crate) async fn prepare(setting: Setting<'_>) -> anyhow::Result<Session> {
    let script = setting.folder.join("take_part.py");
    fs_err::write(&script, SCRIPT)?;
    let take_part =
        |role: &str, torrent: &Path, folder: &Path, node: &Node| -> anyhow::Result<Vec<OsString>> {
            let listen = format!("{}:{}", node.address, free_port()?);
            Ok(vec![
                script.clone().into(),
                role.into(),
                torrent.into(),
                folder.into(),
                listen.into(),
                setting.mark_of(node).into(),
            ])
        };
    let arguments = take_part("seed", setting.torrent, setting.content_folder(), setting.seed)?;
    let log = setting.log_of(setting.seed);
    let mut seed = setting.seed.start(Path::new(PYTHON), arguments, &log)?;
    setting.announced(&mut seed).await?;

    let signal = setting.folder.join("go.torrent");
    let (mut hosts, mut started, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for node in setting.hosts {
        let arguments = take_part("fetch", &signal, &setting.folder_of(node)?, node)?;
        let log = setting.log_of(node);
        hosts.push(node.start(Path::new(PYTHON), arguments, &log)?);
        started.push(Whole::Said { log, words: WAITS });
        whole.push(Whole::File(setting.mark_of(node)));
    }
    for (host, started) in hosts.iter_mut().zip(&started) {
        host.wait_until(SEED_LIMIT, || async { started.is_so() }).await?;
    }
    let copy = setting.folder.join("waiting.torrent");
    fs_err::copy(setting.torrent, &copy)?;
    Ok(Session {
        seed,
        hosts,
        starts: vec![Start::File {
            from: copy,
            to: signal,
        }],
        whole,
    })
}
