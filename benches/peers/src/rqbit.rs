//! rqbit, a BitTorrent client in Rust, where `scripts/bench` could build it.

use crate::session::{Start, Whole};
use crate::{Session, Setting};
use bench_network::Node;
use local_services::free_port;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What it says once it has everything.
const WHOLE: &str = "torrent finished downloading";

/// Where `scripts/bench` puts what it builds of others: `tools/bin` in the target folder.
pub(crate) fn program() -> Option<PathBuf> {
    let target = std::env::current_exe().ok()?.parent()?.parent()?.to_owned();
    Some(target.join("tools/bin/rqbit")).filter(|path| path.exists())
}

fn arguments(node: &Node, torrent: &Path, folder: &Path) -> anyhow::Result<Vec<OsString>> {
    let (address, port) = (node.address.to_string(), free_port()?.to_string());
    // Without a port to announce, rqbit tells trackers of port 4240 if it listens on loopback only.
    let fixed = [
        "--disable-dht",
        "--disable-lsd",
        "--disable-upnp-port-forward",
        "--ipv4-only",
        "--listen-ip",
        &address,
        "--listen-port",
        &port,
        "--announce-port",
        &port,
        "--tracker-refresh-interval",
        "1s",
        "download",
        "--disable-http-api",
        "--overwrite",
        "--output-folder",
    ];
    let mut arguments: Vec<OsString> = fixed.map(OsString::from).to_vec();
    arguments.extend([folder.into(), torrent.into()]);
    Ok(arguments)
}

pub(crate) async fn prepare(setting: Setting<'_>) -> anyhow::Result<Session> {
    let program = program().unwrap_or_default();
    let log = setting.log_of(setting.seed);
    let arguments_of_seed = arguments(setting.seed, setting.torrent, setting.content_folder())?;
    let mut seed = setting.seed.start(&program, arguments_of_seed, &log)?;
    setting.announced(&mut seed).await?;

    let mut session = Session::of(seed);
    for node in setting.hosts {
        let log = setting.log_of(node);
        let start = Start::Process {
            node: node.clone(),
            program: program.clone(),
            arguments: arguments(node, setting.torrent, &setting.folder_of(node)?)?,
            log: log.clone(),
        };
        session.add(start, Whole::Said { log, words: WHOLE });
    }
    Ok(session)
}
