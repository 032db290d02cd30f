//! Taking over from the proxy that runs already.
//!
//! The newer proxy connects to the older one's control socket and asks for everything; the older one sends what it was
//! told and its listening sockets, and takes no commands meanwhile. Once the newer one accepts connections it says so.
//! The older one then accepts no more and ends with its last connection. Until then the conversation stays open: the
//! newer proxy passes every command on, since the older one still has requests to route, and adds the older one's
//! counts to its own, since a target has drained only when both have nothing left for it.
//!
//! If the newer one fails before it has said that it accepts, the older one goes on as if nothing had been.

use crate::Error;
use proxy_control::{Command, Mode, Point, Reply, ask, connect, handover};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long the older proxy may take over one step.
pub(crate) const STEP_MAX: Duration = Duration::from_secs(5);

/// What was taken over.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) services: Vec<(Point, Mode, TcpListener)>,
    pub(crate) predecessor: Predecessor,
}

/// Asks the proxy behind `socket` for everything; `None` if there is none.
pub(crate) async fn take_over(socket: &Path) -> Result<Option<Taken>, Error> {
    let stream = match connect(socket).await {
        Ok(stream) => stream,
        Err(proxy_control::Error::Unreachable { source, .. })
            if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let mut predecessor = Predecessor(stream);
    let Reply::Handover { services } = predecessor.ask(&Command::TakeOver).await? else {
        return Err(proxy_control::Error::Unexpected.into());
    };
    let mut taken = Vec::new();
    for (point, mode) in services {
        let listener = tokio::time::timeout(STEP_MAX, handover::receive(&predecessor.0))
            .await
            .map_err(|_| slow())?
            .map_err(proxy_control::Error::from)?;
        taken.push((point, mode, listener));
    }
    Ok(Some(Taken {
        services: taken,
        predecessor,
    }))
}

/// The proxy that was replaced, while it still has connections.
#[derive(Debug)]
pub(crate) struct Predecessor(UnixStream);

impl Predecessor {
    /// Passes a command on.
    pub(crate) async fn ask(&mut self, command: &Command) -> Result<Reply, proxy_control::Error> {
        tokio::time::timeout(STEP_MAX, ask(&mut self.0, command))
            .await
            .map_err(|_| slow())?
    }
}

fn slow() -> proxy_control::Error {
    proxy_control::Error::Slow {
        seconds: STEP_MAX.as_secs(),
    }
}
