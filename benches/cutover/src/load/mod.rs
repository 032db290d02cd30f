//! The load: so many clients, each with a connection of its own, that send when it is time and repeat nothing that may
//! have been processed.

mod http1;
mod http2;
mod tally;

use crate::processes::{argument, runtime, start};
use anyhow::Context as _;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
pub use tally::Summary;
use tally::Tally;
use tokio::time::Instant;

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// What the clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

impl FromStr for Protocol {
    type Err = std::io::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "http1" => Ok(Self::Http1),
            "http2" => Ok(Self::Http2),
            other => Err(std::io::Error::other(format!("{other} is no protocol"))),
        }
    }
}

/// What is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub port: u16,
    pub protocol: Protocol,
    pub clients: u32,
    /// Requests a second, of all clients together; 0 is as many as are answered.
    pub rate: u32,
    pub seconds: u64,
}

impl Load {
    /// Sends it from a process of its own, and returns what it saw.
    pub async fn run(self, folder: &Path) -> anyhow::Result<Summary> {
        let out = folder.join("load.json");
        let protocol = match self.protocol {
            Protocol::Http1 => "http1",
            Protocol::Http2 => "http2",
        };
        let arguments = [
            self.port.to_string(),
            protocol.to_owned(),
            self.clients.to_string(),
            self.rate.to_string(),
            self.seconds.to_string(),
            out.display().to_string(),
        ];
        let mut child = start(folder, "load", &arguments)?;
        let limit = Duration::from_secs(self.seconds * 2) + ANSWER_LIMIT;
        let ended = tokio::time::timeout(limit, child.wait())
            .await
            .context("the load did not end")??;
        anyhow::ensure!(ended.success(), "the load failed: {}", child.tail());
        Ok(serde_json::from_slice(&fs_err::read(out)?)?)
    }
}

/// Plays the load that the arguments describe.
pub fn play(arguments: &[String]) -> anyhow::Result<()> {
    let load = Load {
        port: argument(arguments, 0)?,
        protocol: argument(arguments, 1)?,
        clients: argument(arguments, 2)?,
        rate: argument(arguments, 3)?,
        seconds: argument(arguments, 4)?,
    };
    let out: String = argument(arguments, 5)?;
    let tally = Arc::new(Tally::default());
    let summary = runtime()?.block_on(async {
        let began = Instant::now();
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..load.clients {
            let pace = Pace::of(load, number, began);
            match load.protocol {
                Protocol::Http1 => clients.spawn(http1::run(load.port, pace, tally.clone())),
                Protocol::Http2 => clients.spawn(http2::run(load.port, pace, tally.clone())),
            };
        }
        clients.join_all().await;
        tally.summary(began.elapsed())
    });
    fs_err::write(out, serde_json::to_vec(&summary)?)?;
    Ok(())
}

/// When one client sends.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    next: Instant,
    /// Zero means at once.
    period: Duration,
    until: Instant,
}

impl Pace {
    fn of(load: Load, number: u32, began: Instant) -> Self {
        let period = if load.rate == 0 {
            Duration::ZERO
        } else {
            Duration::from_secs(1) * load.clients / load.rate
        };
        Self {
            // Clients take turns.
            next: began + period * number / load.clients,
            period,
            until: began + Duration::from_secs(load.seconds),
        }
    }

    /// Waits until the next request is due, and says since when it is; `None` at the end.
    pub async fn due(&mut self) -> Option<Instant> {
        let due = if self.period.is_zero() {
            Instant::now()
        } else {
            self.next
        };
        self.next += self.period;
        if due >= self.until {
            return None;
        }
        tokio::time::sleep_until(due).await;
        Some(due)
    }
}
