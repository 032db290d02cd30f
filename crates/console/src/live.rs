//! Live streams: server-sent events that carry what changed since the last one.
//!
//! A stream reads the present state when a hint comes and at least every [`POLL_EVERY`], so a lost hint
//! costs no more than that. It sends a part only when it differs from what it sent before.

use crate::app::App;
use crate::metrics;
use crate::refusal::Refusal;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt as _, stream};
use serde::Serialize;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// The most streams at once.
const STREAMS_MAX: usize = 256;
/// A stream looks by itself this often.
const POLL_EVERY: Duration = Duration::from_millis(1_500);
/// A stream looks no more often than this, however many hints come.
const POLL_AT_MOST_EVERY: Duration = Duration::from_millis(250);
/// A silent stream says this often that it lives, so that a proxy keeps it.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// A stream ends after this long and the browser asks again, with a token that may have been withdrawn.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// The browser's wait before it asks again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Hands out places for streams.
#[derive(Debug, Clone)]
pub(crate) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

/// One place; given back when it is dropped.
#[derive(Debug)]
struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Streams {
    fn take(&self) -> Result<Place, Refusal> {
        match Arc::clone(&self.0).try_acquire_owned() {
            Ok(permit) => {
                metrics::stream_opened();
                Ok(Place(permit))
            }
            Err(_) => {
                metrics::stream_refused();
                Err(Refusal::TooManyStreams)
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::stream_closed();
    }
}

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// The present state of something, sent when it differs from the last.
    State { name: &'static str, data: String },
    /// Something new, sent once; `id` comes back in `Last-Event-ID` when the browser connects again.
    News {
        name: &'static str,
        data: String,
        id: String,
    },
}

impl Part {
    /// A state for a page.
    pub(crate) const fn state(name: &'static str, data: String) -> Self {
        Self::State { name, data }
    }

    /// A state for a program.
    pub(crate) fn json(name: &'static str, value: &impl Serialize) -> Result<Self, Refusal> {
        let data = serde_json::to_string(value).map_err(|error| Refusal::Internal(Box::new(error)))?;
        Ok(Self::State { name, data })
    }
}

/// What a feed saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) parts: Vec<Part>,
    /// Whether nothing will change any more.
    pub(crate) last: bool,
}

/// Something that can be looked at again and again.
pub(crate) trait Feed: Send + 'static {
    fn read(&mut self, app: &App) -> impl Future<Output = Result<Update, Refusal>> + Send;
}

/// Answers with a feed's events. The first look is taken here, so that what does not exist is refused with
/// a status.
pub(crate) async fn answer(app: App, mut feed: impl Feed) -> Result<Response, Refusal> {
    let place = app.streams.take()?;
    let changes = app.changes.subscribe();
    let first = feed.read(&app).await?;
    let reader = Reader {
        app,
        feed,
        changes,
        sent: HashMap::new(),
        waiting: Some(first),
        ended: false,
        ends_at: Instant::now() + LIFETIME,
        read_at: Instant::now(),
        _place: place,
    };
    let keep_alive = KeepAlive::new().interval(HEARTBEAT_EVERY);
    Ok(Sse::new(reader.into_events())
        .keep_alive(keep_alive)
        .into_response())
}

struct Reader<F> {
    app: App,
    feed: F,
    changes: watch::Receiver<u64>,
    /// The hash of what was sent last, by part.
    sent: HashMap<&'static str, blake3::Hash>,
    /// What was read and not sent yet.
    waiting: Option<Update>,
    ended: bool,
    ends_at: Instant,
    read_at: Instant,
    _place: Place,
}

impl<F: Feed> Reader<F> {
    fn into_events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        let hello = Event::default().retry(RETRY_AFTER).comment("starling");
        let news = stream::unfold(self, |mut reader| async {
            let events = reader.next().await?;
            Some((stream::iter(events), reader))
        });
        stream::iter([hello]).chain(news.flatten()).map(Ok)
    }

    /// The next events, at least one; `None` ends the stream.
    async fn next(&mut self) -> Option<Vec<Event>> {
        if self.ended {
            return None;
        }
        loop {
            let update = match self.waiting.take() {
                Some(update) => update,
                None => self.look().await?,
            };
            let mut events: Vec<Event> = update
                .parts
                .into_iter()
                .filter_map(|part| self.event(part))
                .collect();
            if update.last {
                self.ended = true;
                events.push(Event::default().event("end").data("complete"));
            }
            if !events.is_empty() {
                return Some(events);
            }
        }
    }

    /// Waits for a reason to look, and looks. A look that fails is tried again; what is shown stays.
    async fn look(&mut self) -> Option<Update> {
        loop {
            let closing = self.app.closing.clone();
            closing.run_until_cancelled(self.wait()).await?;
            if Instant::now() >= self.ends_at {
                return None;
            }
            self.read_at = Instant::now();
            match self.feed.read(&self.app).await {
                Ok(update) => return Some(update),
                Err(refusal) => refusal.log(),
            }
        }
    }

    async fn wait(&mut self) {
        sleep_until(self.read_at + POLL_AT_MOST_EVERY).await;
        // An error means that the console closes, which the caller sees by itself.
        if let Ok(Err(_)) = timeout(POLL_EVERY, self.changes.changed()).await {
            sleep(POLL_EVERY).await;
        }
    }

    fn event(&mut self, part: Part) -> Option<Event> {
        match part {
            Part::State { name, data } => {
                let hash = blake3::hash(data.as_bytes());
                let changed = self.sent.insert(name, hash) != Some(hash);
                changed.then(|| Event::default().event(name).data(data))
            }
            Part::News { name, data, id } => Some(Event::default().event(name).id(id).data(data)),
        }
    }
}
