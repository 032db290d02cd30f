//! One etcd member on loopback.

use crate::child::{Child, ParentDeath};
use crate::{Error, remembered_port};
use rustix::process::Signal;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a start may take; half a second on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_GRACE: Duration = Duration::from_secs(10);
/// How long one look at the member's health may take, and how much it may say.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);
const HEALTH_LENGTH_MAX: u64 = 4_096;

/// A running etcd member. It ends when this value is dropped.
#[derive(Debug)]
pub struct Etcd {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Etcd {
    /// Starts a member whose data lives in `folder`, on the port of an earlier start where it is free.
    pub async fn start(folder: &Path) -> Result<Self, Error> {
        let program = program()?;
        fs_err::create_dir_all(folder)?;
        let port = remembered_port(&folder.join("client-port"))?;
        let client = format!("http://127.0.0.1:{port}");
        let peer = format!("http://127.0.0.1:{}", remembered_port(&folder.join("peer-port"))?);
        let arguments = [
            format!("--data-dir={}", folder.join("data").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            "--auto-compaction-retention=1".to_owned(),
            "--logger=zap".to_owned(),
        ];
        let log = folder.join("etcd.log");
        let mut child = Child::start(&program, arguments, &[], ParentDeath::Kill, &log)?;
        child
            .wait_until(
                START_LIMIT,
                || async move { is_healthy(port).await.unwrap_or(false) },
            )
            .await?;
        Ok(Self {
            child,
            folder: folder.to_owned(),
            port,
        })
    }

    /// Waits until the member ends, which it does by itself only when something is wrong.
    pub async fn ended(&mut self) {
        // An error means that it was waited for already.
        let _ = self.child.wait().await;
    }

    /// Starts the member again at the same address, after it ended.
    pub async fn restart(&mut self) -> Result<(), Error> {
        let folder = self.folder.clone();
        *self = Self::start(&folder).await?;
        Ok(())
    }

    /// The address for clients.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The process id, for fault tests.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Stops the member in an orderly way.
    pub async fn stop(self) -> Result<(), Error> {
        self.child.stop(Signal::TERM, STOP_GRACE).await
    }
}

/// Whether the member has a leader and commits. Its port answers earlier, but a member that is stopped
/// between the two never elects itself again.
async fn is_healthy(port: u16) -> std::io::Result<bool> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    connection.write_all(b"GET /health HTTP/1.0\r\n\r\n").await?;
    let mut answer = Vec::new();
    let mut bounded = connection.take(HEALTH_LENGTH_MAX);
    tokio::time::timeout(HEALTH_TIMEOUT, bounded.read_to_end(&mut answer)).await??;
    Ok(String::from_utf8_lossy(&answer).contains(r#""health":"true""#))
}

fn program() -> Result<PathBuf, Error> {
    ["/usr/bin/etcd", "/usr/local/bin/etcd"]
        .iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .ok_or(Error::NotInstalled {
            program: "etcd",
            package: "etcd-server",
        })
}
