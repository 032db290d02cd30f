//! aria2.

use crate::session::{Start, Whole};
use crate::{Session, Setting};
use bench_network::Node;
use local_services::free_port;
use std::ffi::OsString;
use std::path::Path;

pub(crate) const PROGRAM: &str = "/usr/bin/aria2c";

/// What aria2 runs once it has everything.
fn hook(setting: Setting<'_>, node: &Node) -> anyhow::Result<OsString> {
    let path = setting.folder.join(format!("{}.hook", node.name));
    fs_err::write(
        &path,
        format!("#!/bin/sh\n: > '{}'\n", setting.mark_of(node).display()),
    )?;
    fs_err::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(path.into())
}

fn arguments(setting: Setting<'_>, node: &Node, folder: &Path) -> anyhow::Result<Vec<OsString>> {
    let pair = |name: &str, value: OsString| {
        let mut option = OsString::from(format!("--{name}="));
        option.push(value);
        option
    };
    let mut arguments = vec![
        pair("dir", folder.into()),
        pair("listen-port", free_port()?.to_string().into()),
        pair("on-bt-download-complete", hook(setting, node)?),
    ];
    // Gives for ever, takes from as many as there are, and looks for nobody but at the tracker.
    let fixed = [
        "--no-conf",
        "--seed-ratio=0",
        "--bt-max-peers=0",
        "--enable-dht=false",
        "--enable-dht6=false",
        "--bt-enable-lpd=false",
        "--bt-tracker-interval=1",
        "--file-allocation=falloc",
        "--summary-interval=0",
        "--show-console-readout=false",
    ];
    arguments.extend(fixed.map(OsString::from));
    Ok(arguments)
}

pub(crate) async fn prepare(setting: Setting<'_>) -> anyhow::Result<Session> {
    let mut of_seed = arguments(setting, setting.seed, setting.content_folder())?;
    // The content was just described: hashing it again proves nothing.
    of_seed.extend(["--bt-seed-unverified=true".into(), setting.torrent.into()]);
    let log = setting.log_of(setting.seed);
    let mut seed = setting.seed.start(Path::new(PROGRAM), of_seed, &log)?;
    setting.announced(&mut seed).await?;

    let mut session = Session::of(seed);
    for node in setting.hosts {
        let mut arguments = arguments(setting, node, &setting.folder_of(node)?)?;
        arguments.push(setting.torrent.into());
        let start = Start::Process {
            node: node.clone(),
            program: PROGRAM.into(),
            arguments,
            log: setting.log_of(node),
        };
        session.add(start, Whole::File(setting.mark_of(node)));
    }
    Ok(session)
}
