//! nginx, and one curl a host.

use crate::session::{Start, Whole, ready};
use crate::{Session, Setting};
use bench_network::Node;
use local_services::{Child, free_port};
use std::ffi::OsString;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

const NGINX: &str = "/usr/sbin/nginx";
const CURL: &str = "/usr/bin/curl";

pub(crate) fn is_installed() -> bool {
    [NGINX, CURL].iter().all(|program| Path::new(program).exists())
}

/// An nginx that serves one folder of the seed's.
#[derive(Debug)]
pub struct Server {
    pub(crate) child: Child,
    address: SocketAddr,
}

impl Server {
    /// Serves the files in `root`; its own files lie in `folder`.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(seed: &Node, root: &Path, folder: &Path) -> anyhow::Result<Self> {
        let address = SocketAddr::new(seed.address.into(), free_port()?);
        let (config, log) = (folder.join("nginx.conf"), folder.join("nginx.log"));
        let text = format!(
            "daemon off; user root; worker_processes 1; error_log stderr; pid {}/nginx.pid;\n\
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
        let child = seed.start(Path::new(NGINX), arguments, &log)?;
        ready("nginx", &log, || TcpStream::connect(address).is_ok()).await?;
        Ok(Self { child, address })
    }

    /// What a host asks to get a file of the folder.
    pub fn url(&self, file: &Path) -> String {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        format!("http://{}/{name}", self.address)
    }
}

pub(crate) async fn prepare(setting: Setting<'_>) -> anyhow::Result<Session> {
    let content = setting.content.parent().unwrap_or(Path::new("/"));
    let server = Server::start(setting.seed, content, setting.folder).await?;
    let (mut starts, mut whole) = (Vec::new(), Vec::new());
    for node in setting.hosts {
        let copy = setting.folder_of(node)?.join("copy");
        let fetch = r#""$0" --silent --show-error --fail --output "$1" "$2" && : > "$3""#;
        let arguments: Vec<OsString> = vec![
            "-c".into(),
            fetch.into(),
            CURL.into(),
            copy.into(),
            server.url(setting.content).into(),
            setting.mark_of(node).into(),
        ];
        starts.push(Start::Process {
            node: node.clone(),
            program: "/bin/sh".into(),
            arguments,
            log: setting.log_of(node),
        });
        whole.push(Whole::File(setting.mark_of(node)));
    }
    Ok(Session {
        seed: server.child,
        hosts: Vec::new(),
        starts,
        whole,
    })
}
