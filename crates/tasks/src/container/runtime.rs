//! Who runs containers here.

use bollard::{API_DEFAULT_VERSION, Docker};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// How long the runtime may take to begin an answer, in seconds: it answers the loading of an image when it is done, and
/// a stop when the container has ended.
const ANSWER_SECONDS: u64 = 900;

/// The container runtimes that an agent may ask. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Containers {
    agent: Arc<str>,
    sockets: Arc<[PathBuf]>,
    /// Held while an image is loaded, since between its loading and its being asked for by name another archive could
    /// take the name.
    pub(super) loading: Arc<Mutex<()>>,
}

/// No container runtime answers on this host, and what would help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no container runtime answers here ({}): install Docker, or Podman with its socket (systemctl enable --now \
     podman.socket), or name the socket in the agent's `container_sockets`",
    said(.0)
)]
pub struct NoRuntime(pub Vec<Tried>);

/// A socket that was tried, and why it doesn't do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Which one.
    pub socket: PathBuf,
    /// The system's word, or the runtime's.
    pub reason: String,
}

impl fmt::Display for Tried {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.socket.display(), self.reason)
    }
}

fn said(tried: &[Tried]) -> String {
    if tried.is_empty() {
        return "no socket is configured".to_owned();
    }
    tried
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

impl Containers {
    /// Asks at the first of these sockets that answers. The agent's name tells its containers from others'.
    pub fn new(agent: &str, sockets: Vec<PathBuf>) -> Self {
        Self {
            agent: agent.into(),
            sockets: sockets.into(),
            loading: Arc::default(),
        }
    }

    pub(super) fn agent(&self) -> &str {
        &self.agent
    }

    /// A runtime that answers, and where.
    pub(super) async fn connect(&self) -> Result<(Docker, PathBuf), NoRuntime> {
        let mut tried = Vec::new();
        for socket in self.sockets.iter() {
            match connect(socket).await {
                Ok(docker) => return Ok((docker, socket.clone())),
                Err(error) => tried.push(Tried {
                    socket: socket.clone(),
                    reason: super::word(&error),
                }),
            }
        }
        Err(NoRuntime(tried))
    }
}

/// Asks at this socket, in the newest words that both sides know.
pub(super) async fn connect(socket: &Path) -> Result<Docker, bollard::errors::Error> {
    let path = socket.display().to_string();
    let docker = Docker::connect_with_unix(&path, ANSWER_SECONDS, API_DEFAULT_VERSION)?;
    docker.negotiate_version().await
}
