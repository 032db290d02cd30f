//! Stands between a client and a server, for fault tests: what comes through is carried on, or held up.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What one read carries on.
const CHUNK_LENGTH: usize = 64 << 10;

/// A proxy whose connections can go silent: they stay open, and nothing comes through. It and they end when it is
/// dropped.
#[derive(Debug)]
pub struct Gate {
    state: watch::Sender<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    closed: bool,
    /// How many connections there were.
    accepted: u64,
    /// Those before this one are silent for good.
    silenced: u64,
}

/// One connection's view of its gate.
#[derive(Clone)]
struct Passage {
    number: u64,
    state: watch::Receiver<State>,
}

impl Gate {
    /// Before a server on loopback; also the address to be used instead.
    ///
    /// # Errors
    /// Fails when no port can be had.
    pub async fn before(server: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own = listener.local_addr()?;
        let state = watch::Sender::<State>::default();
        let seen = state.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let passage = Passage::of_next(&seen);
                connections
                    .spawn(async move { carry(client, TcpStream::connect(server).await?, passage).await });
            }
        });
        Ok((Self { state, accepting }, own))
    }

    /// Before a server that listens on the socket `server`; listens on `own`.
    ///
    /// # Errors
    /// Fails when the socket cannot be made.
    pub async fn before_socket(server: &Path, own: &Path) -> io::Result<Self> {
        let (listener, server) = (UnixListener::bind(own)?, server.to_owned());
        let state = watch::Sender::<State>::default();
        let seen = state.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (passage, server) = (Passage::of_next(&seen), server.clone());
                connections
                    .spawn(async move { carry(client, UnixStream::connect(server).await?, passage).await });
            }
        });
        Ok(Self { state, accepting })
    }

    /// Holds everything up, or lets it go on.
    pub fn close(&self, closed: bool) {
        self.state.send_modify(|state| state.closed = closed);
    }

    /// Makes every connection that there is half open, for good; new ones are carried.
    pub fn silence(&self) {
        self.state.send_modify(|state| state.silenced = state.accepted);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Passage {
    fn of_next(gate: &watch::Sender<State>) -> Self {
        let mut number = 0;
        gate.send_modify(|state| {
            number = state.accepted;
            state.accepted += 1;
        });
        let state = gate.subscribe();
        Self { number, state }
    }

    async fn wait(&mut self) {
        let number = self.number;
        let free = |state: &State| !state.closed && number >= state.silenced;
        // A gate that is gone takes its connections with it.
        let _ = self.state.wait_for(free).await;
    }
}

async fn carry<C, S>(client: C, server: S, passage: Passage) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite,
    S: AsyncRead + AsyncWrite,
{
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    tokio::try_join!(
        carry_one_way(from_client, to_server, passage.clone()),
        carry_one_way(from_server, to_client, passage)
    )?;
    Ok(())
}

async fn carry_one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut passage: Passage,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_LENGTH];
    loop {
        let length = from.read(&mut chunk).await?;
        passage.wait().await;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&chunk[..length]).await?;
    }
}
