//! One thread that moves bytes: it accepts, and what it accepted stays on it, so that nothing on a request's way is
//! shared with another thread but the route's lock.

use crate::config::Config;
use crate::connection;
use crate::error::Error;
use crate::frontend::Frontend;
use crate::metrics;
use crate::pool::{Pool, SWEEP_PERIOD};
use crate::tunnel::Tunnel;
use proxy_control::Target;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many services can be on their way to a lane.
const LISTENERS_MAX: usize = 64;
/// One of so many requests is timed.
const SAMPLE: u64 = 16;
/// Before accepting is tried again after the system refused to, as it does when all file descriptors are in use.
const ACCEPT_DELAY: Duration = Duration::from_millis(50);

/// What the connections of one thread share.
#[derive(Debug)]
pub(crate) struct Lane {
    config: Config,
    pool: Arc<Pool>,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
    tunnels: TaskTracker,
    /// Connections are to be ended politely: each with its next response.
    closing: CancellationToken,
    /// Those without a request are closed, the others end with it.
    closed: CancellationToken,
    /// What is left is dropped.
    abandoned: CancellationToken,
    tunnels_closed: CancellationToken,
    asked: AtomicU64,
    added: ::metrics::Histogram,
}

/// A listening socket for a lane, and when to stop listening.
pub(crate) struct Listen {
    pub(crate) frontend: Arc<Frontend>,
    pub(crate) listener: TcpListener,
    pub(crate) stop: CancellationToken,
}

/// How long each degree of a lane's end may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    /// For connections to end with a next response.
    pub(crate) polite_max: Duration,
    /// After that, for requests that were begun.
    pub(crate) requests_max: Duration,
    /// For tunnels, from the beginning of the end.
    pub(crate) tunnels_max: Duration,
}

/// A lane, from outside.
#[derive(Debug)]
pub(crate) struct Handle {
    lane: Arc<Lane>,
    listeners: mpsc::Sender<Listen>,
    thread: std::thread::JoinHandle<()>,
}

impl Handle {
    /// Starts the thread.
    pub(crate) fn start(number: usize, config: &Config) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::Thread)?;
        let lane = Arc::new(Lane::new(config));
        let (listeners, incoming) = mpsc::channel(LISTENERS_MAX);
        let inside = lane.clone();
        let thread = std::thread::Builder::new()
            .name(format!("lane-{number}"))
            .spawn(move || runtime.block_on(run(inside, incoming)))
            .map_err(Error::Thread)?;
        Ok(Self {
            lane,
            listeners,
            thread,
        })
    }

    /// Accepts from another socket.
    pub(crate) async fn listen(&self, listen: Listen) {
        // A lane lives until its handle is ended.
        if self.listeners.send(listen).await.is_err() {
            tracing::error!("a lane has ended before its handle");
        }
    }

    /// Closes the waiting connections to targets that get no requests.
    pub(crate) fn keep_only(&self, gets_requests: impl Fn(Target) -> bool) {
        self.lane.pool.keep_only(gets_requests);
    }

    /// Ends the lane's connections by degrees, and then its thread.
    pub(crate) async fn end(self, ending: Ending) {
        drop(self.listeners);
        let lane = &self.lane;
        lane.tasks.close();
        lane.tunnels.close();
        let requests = async {
            let degrees = [
                (&lane.closing, ending.polite_max),
                (&lane.closed, ending.requests_max),
                (&lane.abandoned, Duration::MAX),
            ];
            for (degree, limit) in degrees {
                degree.cancel();
                if tokio::time::timeout(limit, lane.tasks.wait()).await.is_ok() {
                    break;
                }
            }
        };
        let tunnels = async {
            tokio::time::sleep(ending.tunnels_max).await;
            lane.tunnels_closed.cancel();
        };
        // Tunnels begin as requests, so they are waited for last.
        let all = async {
            requests.await;
            lane.tunnels.wait().await;
        };
        tokio::pin!(all);
        tokio::select! {
            () = &mut all => {}
            () = tunnels => all.await,
        }
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("a lane panicked");
        }
    }
}

impl Lane {
    fn new(config: &Config) -> Self {
        Self {
            pool: Arc::default(),
            slots: Arc::new(Semaphore::new(
                config.connections_max.div_ceil(config.threads.max(1)),
            )),
            config: config.clone(),
            tasks: TaskTracker::new(),
            tunnels: TaskTracker::new(),
            closing: CancellationToken::new(),
            closed: CancellationToken::new(),
            abandoned: CancellationToken::new(),
            tunnels_closed: CancellationToken::new(),
            asked: AtomicU64::new(0),
            added: ::metrics::histogram!(metrics::ADDED_SECONDS),
        }
    }

    pub(crate) fn limits(&self) -> &Config {
        &self.config
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Whether connections end with their next response.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    pub(crate) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    pub(crate) fn abandoned(&self) -> &CancellationToken {
        &self.abandoned
    }

    /// Keeps a tunnel.
    pub(crate) fn tunnel(&self, tunnel: Tunnel) {
        self.tunnels.spawn(tunnel.run(self.tunnels_closed.clone()));
    }

    /// The time, for some requests.
    pub(crate) fn sample(&self) -> Option<Instant> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        asked.is_multiple_of(SAMPLE).then(Instant::now)
    }

    /// Notes how long a request took from its head's arrival until its target was sent to.
    pub(crate) fn note_added(&self, asked_at: Option<Instant>) {
        if let Some(asked_at) = asked_at {
            self.added.record(asked_at.elapsed());
        }
    }
}

async fn run(lane: Arc<Lane>, mut listeners: mpsc::Receiver<Listen>) {
    let sweep = async {
        loop {
            tokio::time::sleep(SWEEP_PERIOD).await;
            lane.pool.sweep();
        }
    };
    let work = async {
        // Ends when the handle does, and then with the last connection.
        while let Some(listen) = listeners.recv().await {
            lane.tasks.spawn(accept(lane.clone(), listen));
        }
        lane.tasks.wait().await;
        lane.tunnels.wait().await;
    };
    tokio::select! {
        () = sweep => {}
        () = work => {}
    }
}

async fn accept(
    lane: Arc<Lane>,
    Listen {
        frontend,
        listener,
        stop,
    }: Listen,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(service = %frontend.service(), %error, "a listening socket can't be used");
            return;
        }
    };
    loop {
        let accepted = async {
            let slot = lane.slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let serving = connection::serve(stream, peer.ip(), frontend.clone(), lane.clone());
                lane.tasks.spawn(async move {
                    serving.await;
                    drop(slot);
                });
            }
            // The client gave up meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(service = %frontend.service(), %error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_DELAY).await;
            }
        }
    }
}
