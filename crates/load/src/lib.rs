//! Beside the house: an open-loop load client, for benches and the demo.
//!
//! So many clients, each with a connection of its own, send when it is time, whatever became of earlier requests, and
//! count a request's time from when it was due. They repeat nothing that may have been processed: a request without a whole
//! answer of 200 that names the release that gave it has failed, and is counted.
//!
//! It never decides what is asked, and never goes easy on whom it asks.

mod http1;
mod http2;
mod tally;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
pub use tally::{Summary, Tally};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long one answer may take.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// What the clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, one request at a time on each connection.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// Whom the clients ask, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Where the service is.
    pub address: SocketAddr,
    /// Which path.
    pub path: &'static str,
    /// Which release an answer's body says that it is from.
    pub release: fn(&[u8]) -> Option<u64>,
}

/// What is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// To whom.
    pub target: Target,
    /// In which language.
    pub protocol: Protocol,
    /// How many clients there are.
    pub clients: u32,
    /// Requests a second, of all clients together; 0 is as many as are answered.
    pub rate: u32,
}

impl Load {
    /// Sends until `until` or `stop`, whichever comes first. Everything that was sent has been counted when this returns.
    pub async fn run(self, until: Option<Instant>, stop: &CancellationToken, tally: &Arc<Tally>) {
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for number in 0..self.clients {
            let pace = Pace::of(self, number, began, until, stop.clone());
            match self.protocol {
                Protocol::Http1 => clients.spawn(http1::run(self.target, pace, tally.clone())),
                Protocol::Http2 => clients.spawn(http2::run(self.target, pace, tally.clone())),
            };
        }
        clients.join_all().await;
    }
}

/// When one client sends.
#[derive(Debug)]
struct Pace {
    next: Instant,
    /// Zero means at once.
    period: Duration,
    until: Option<Instant>,
    stop: CancellationToken,
}

impl Pace {
    fn of(load: Load, number: u32, began: Instant, until: Option<Instant>, stop: CancellationToken) -> Self {
        let period = if load.rate == 0 {
            Duration::ZERO
        } else {
            Duration::from_secs(1) * load.clients / load.rate
        };
        Self {
            // Clients take turns.
            next: began + period * number / load.clients,
            period,
            until,
            stop,
        }
    }

    /// Waits until the next request is due, and says since when it is; `None` at the end.
    async fn due(&mut self) -> Option<Instant> {
        let due = if self.period.is_zero() {
            Instant::now()
        } else {
            self.next
        };
        self.next += self.period;
        if self.stop.is_cancelled() || self.until.is_some_and(|until| due >= until) {
            return None;
        }
        let waited = self.stop.run_until_cancelled(tokio::time::sleep_until(due)).await;
        waited.map(|()| due)
    }
}
