//! A folder to build in, and sandboxes to do it with.

use bytes::Bytes;
use model::ByteSize;
use model::limits::Limits;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tasks::sandbox::{Command, Exit, Isolation, Sandbox};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Fixture {
    pub folder: TempDir,
    pub stop: CancellationToken,
}

impl Fixture {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["source", "scratch"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let stop = CancellationToken::new();
        Self { folder, stop }
    }

    pub fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    pub fn shell(&self, script: &str) -> Command {
        let path = ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned());
        Command {
            program: "sh".to_owned(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: BTreeMap::from([path]),
            writable: self.source(),
            caches: None,
            cwd: String::new(),
            scratch: self.folder.path().join("scratch"),
            network: false,
            timeout: Duration::from_secs(60),
            limits: Limits::USUAL,
        }
    }

    pub async fn run(&self, sandbox: &Sandbox, command: &Command) -> (Exit, String) {
        let (sender, receiver) = mpsc::channel(4);
        let run = sandbox.run(command, sender, &self.stop);
        let (exit, said) = tokio::join!(run, listen(receiver));
        (exit.unwrap(), said)
    }
}

pub async fn listen(mut receiver: mpsc::Receiver<Bytes>) -> String {
    let mut said = Vec::new();
    while let Some(bytes) = receiver.recv().await {
        said.extend_from_slice(&bytes);
    }
    String::from_utf8(said).unwrap()
}

pub fn isolated(isolation: Isolation) -> Sandbox {
    Sandbox {
        isolation,
        cgroups: None,
        disk_reserve: ByteSize(0),
    }
}

pub fn with_tools(read_only: Vec<PathBuf>) -> Sandbox {
    isolated(Isolation::Bubblewrap { read_only })
}

pub fn locked() -> Sandbox {
    with_tools(Vec::new())
}

pub fn group_only() -> Sandbox {
    isolated(Isolation::ProcessGroup)
}

/// Waits until no process on this machine has `marker` among its arguments.
pub async fn gone(marker: &str) {
    let alive = || {
        let processes = std::fs::read_dir("/proc").unwrap();
        let lines = processes.filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
        lines
            .into_iter()
            .any(|line| String::from_utf8_lossy(&line).contains(marker))
    };
    let wait = async {
        while alive() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("{marker} is still alive"));
}

/// A number of seconds that no other test sleeps, so that its process is found by it.
pub fn unlikely_seconds() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "9{:07}{:02}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}
