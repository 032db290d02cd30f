//! Following a log by the API's events to its end, over every break of the connection.

use super::logs::Tail;
use crate::api_client::{ApiClient, Error};
use crate::event_stream::Events;
use console::wire::LogText;
use model::BuildId;
use std::io::Write;
use std::time::{Duration, Instant};

/// A stream that says nothing for so long is broken: it says four times as often that it lives.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the API may be away before following gives up; a restart takes seconds.
const AWAY_LIMIT: Duration = Duration::from_secs(60);

/// Writes a log to `output` as it comes, until the build has ended.
pub async fn follow(api: &ApiClient, build: BuildId, output: &mut impl Write) -> anyhow::Result<()> {
    let mut tail = Tail::new(build);
    let mut heard_at = Instant::now();
    loop {
        let before = tail.next();
        match hear(api, build, &mut tail, output).await {
            Ok(true) => return Ok(()),
            // A stream ends now and then by itself.
            Ok(false) => heard_at = Instant::now(),
            Err(error) if !may_pass(&error) => return Err(error),
            Err(error) => {
                if tail.next() > before {
                    heard_at = Instant::now();
                }
                if heard_at.elapsed() > AWAY_LIMIT {
                    return Err(error);
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Hears one stream to its end; whether that is the log's.
async fn hear(
    api: &ApiClient,
    build: BuildId,
    tail: &mut Tail,
    output: &mut impl Write,
) -> anyhow::Result<bool> {
    let path = format!("/v1/builds/{build}/log/stream?from={}", tail.next());
    let mut stream = api.stream(&path).await?;
    let mut events = Events::default();
    while let Some(bytes) = tokio::time::timeout(SILENCE_MAX, stream.chunk()).await?? {
        for event in events.take(&bytes)? {
            match event.name.as_str() {
                "log" => {
                    let text: LogText = serde_json::from_str(&event.data)?;
                    let end = event.id.as_deref().unwrap_or_default().parse()?;
                    output.write_all(&tail.heard(api, text, end).await?)?;
                    output.flush()?;
                }
                "end" => return Ok(true),
                _ => {}
            }
        }
    }
    Ok(false)
}

/// Whether the same may succeed later: the API is away or busy, or a connection broke. What it says no to stays so.
fn may_pass(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Error>() {
        Some(Error::Unreachable { .. }) => true,
        Some(Error::Refused(refusal)) => refusal.status >= 500,
        Some(_) => false,
        None => error.is::<reqwest::Error>() || error.is::<tokio::time::error::Elapsed>(),
    }
}
