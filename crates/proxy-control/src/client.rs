//! Whoever steers a proxy.

use crate::{Command, Error, Exchange, Mode, Point, Reply, ServiceStatus, Target, line};
use model::ServiceName;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// How long an answer may take: a write to the disk, and what a proxy that is being replaced needs.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Before a command is repeated while a newer proxy takes over, which takes some milliseconds.
const BUSY_DELAY: Duration = Duration::from_millis(10);

/// A client of the proxy behind one control socket. It connects anew for each command, so that it finds whichever
/// proxy listens there now.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// Of the proxy that listens at `socket`, now or later.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// The control socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Sends a service's requests to other targets. When this returns, every later request goes there.
    ///
    /// # Errors
    /// See [`Error`]. After [`Error::Slow`] or [`Error::Broken`] it may have been done, and should be repeated.
    pub async fn point(&self, point: Point) -> Result<(), Error> {
        self.done(Command::Point(point)).await
    }

    /// What a target that gets no requests any more still has to do, as (requests, upgraded connections); the latter
    /// are closed once `tunnels_ms_max` has gone by since this was first asked.
    ///
    /// # Errors
    /// See [`Error`]; among others if the target still gets requests.
    pub async fn drain(
        &self,
        service: ServiceName,
        target: Target,
        tunnels_ms_max: u64,
    ) -> Result<(u64, u64), Error> {
        let command = Command::Drain {
            service,
            target,
            tunnels_ms_max,
        };
        match self.ask(&command).await? {
            Reply::Draining { in_flight, tunnels } => Ok((in_flight, tunnels)),
            _ => Err(Error::Unexpected),
        }
    }

    /// Holds a service's requests until the next [`Self::point`], at most `ms_max` long, and says what its task still has
    /// to do, as [`Self::drain`] does.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn exchange(&self, exchange: Exchange) -> Result<(u64, u64), Error> {
        let command = Command::Exchange(exchange);
        match self.ask(&command).await? {
            Reply::Draining { in_flight, tunnels } => Ok((in_flight, tunnels)),
            _ => Err(Error::Unexpected),
        }
    }

    /// Changes what becomes of a service's requests.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn mode(&self, service: ServiceName, mode: Mode) -> Result<(), Error> {
        self.done(Command::Mode { service, mode }).await
    }

    /// Gives a service's port up.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn remove(&self, service: ServiceName) -> Result<(), Error> {
        self.done(Command::Remove { service }).await
    }

    /// Every service that the proxy knows.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn status(&self) -> Result<Vec<ServiceStatus>, Error> {
        match self.ask(&Command::Status).await? {
            Reply::Status { services } => Ok(services),
            _ => Err(Error::Unexpected),
        }
    }

    async fn done(&self, command: Command) -> Result<(), Error> {
        match self.ask(&command).await? {
            Reply::Done => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }

    async fn ask(&self, command: &Command) -> Result<Reply, Error> {
        let conversation = async {
            loop {
                let mut stream = connect(&self.socket).await?;
                match ask(&mut stream, command).await {
                    Ok(Reply::Busy) => tokio::time::sleep(BUSY_DELAY).await,
                    answer => return answer,
                }
            }
        };
        tokio::time::timeout(ANSWER_LIMIT, conversation)
            .await
            .map_err(|_| Error::Slow {
                seconds: ANSWER_LIMIT.as_secs(),
            })?
    }
}

/// Opens a conversation with the proxy at `socket`.
///
/// # Errors
/// [`Error::Unreachable`] if nobody listens there.
pub async fn connect(socket: &Path) -> Result<UnixStream, Error> {
    UnixStream::connect(socket)
        .await
        .map_err(|source| Error::Unreachable {
            path: socket.to_owned(),
            source,
        })
}

/// Says one command in an open conversation and waits for the answer, however long that takes.
///
/// # Errors
/// If the connection is broken or the proxy refuses.
pub async fn ask(stream: &mut UnixStream, command: &Command) -> Result<Reply, Error> {
    line::write(stream, command).await?;
    match line::read(stream).await?.ok_or(Error::Closed)? {
        Reply::Refused { reason } => Err(Error::Refused { reason }),
        reply => Ok(reply),
    }
}
