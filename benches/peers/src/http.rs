//! nginx, and one curl a host.

use crate::session::{SEED_LIMIT, Start, Whole};
use crate::{Session, Setting};
use bench_network::Node;
use local_services::{Child, free_port};
use std::ffi::OsString;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

const NGINX: &str = "/usr/sbin/nginx";
const CURL: &str = "/usr/bin/curl";
/// What curl says at its end, and what it said if it has everything.
const AT_THE_END: &str = "curl ends with %{exitcode}\\n";
const WHOLE: &str = "curl ends with 0\n";

pub(crate) fn is_installed() -> bool {
    [NGINX, CURL].iter().all(|program| Path::new(program).exists())
}

/// Starts an nginx of one process that serves the files in `root`; its own files lie in `folder`.
async fn serve(seed: &Node, root: &Path, folder: &Path) -> anyhow::Result<(Child, SocketAddr)> {
    let address = SocketAddr::new(seed.address.into(), free_port()?);
    let (config, log) = (folder.join("nginx.conf"), folder.join("nginx.log"));
    let text = format!(
        "daemon off; master_process off; user root; error_log stderr; pid {}/nginx.pid;\n\
         events {{}}\n\
         http {{ access_log off; sendfile on; server {{ listen {address}; root {}; }} }}\n",
        folder.display(),
        root.display()
    );
    fs_err::write(&config, text)?;
    let arguments = [
        "-p".as_ref(),
        folder.as_os_str(),
        "-c".as_ref(),
        config.as_os_str(),
    ];
    let mut nginx = seed.start(Path::new(NGINX), arguments, &log)?;
    let listens = || async { TcpStream::connect(address).is_ok() };
    nginx.wait_until(SEED_LIMIT, listens).await?;
    Ok((nginx, address))
}

pub(crate) async fn prepare(setting: Setting<'_>) -> anyhow::Result<Session> {
    let (seed, address) = serve(setting.seed, setting.content_folder(), setting.folder).await?;
    let name = setting.content.file_name().unwrap_or_default().to_string_lossy();
    let url = format!("http://{address}/{name}");
    let mut session = Session::of(seed);
    for node in setting.hosts {
        let copy = setting.folder_of(node)?.join("copy");
        let arguments: [OsString; 8] = [
            "--silent".into(),
            "--show-error".into(),
            "--fail".into(),
            "--write-out".into(),
            AT_THE_END.into(),
            "--output".into(),
            copy.into(),
            (&url).into(),
        ];
        let log = setting.log_of(node);
        let start = Start::Process {
            node: node.clone(),
            program: CURL.into(),
            arguments: arguments.into(),
            log: log.clone(),
        };
        session.add(start, Whole::Said { log, words: WHOLE });
    }
    Ok(session)
}
