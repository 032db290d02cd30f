//! The load, sent from a process of its own.

use crate::processes::{argument, runtime, start};
use ::load::{ANSWER_LIMIT, Tally, Target};
pub use ::load::{Protocol, Summary};
use anyhow::Context as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

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
    let port: u16 = argument(arguments, 0)?;
    let protocol: String = argument(arguments, 1)?;
    let load = ::load::Load {
        target: Target {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            path: "/",
            release: |body| std::str::from_utf8(body).ok()?.parse().ok(),
        },
        protocol: match protocol.as_str() {
            "http1" => Protocol::Http1,
            "http2" => Protocol::Http2,
            other => anyhow::bail!("{other} is no protocol"),
        },
        clients: argument(arguments, 2)?,
        rate: argument(arguments, 3)?,
    };
    let seconds: u64 = argument(arguments, 4)?;
    let out: String = argument(arguments, 5)?;
    let tally = Arc::new(Tally::default());
    let summary = runtime()?.block_on(async {
        let (began, stop) = (Instant::now(), CancellationToken::new());
        let until = began + Duration::from_secs(seconds);
        load.run(Some(until), &stop, &tally).await;
        Summary::of([&*tally], began.elapsed())
    });
    fs_err::write(out, serde_json::to_vec(&summary)?)?;
    Ok(())
}
