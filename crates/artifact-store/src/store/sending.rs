//! Sending one part until the store has it.

use super::window::Window;
use super::{Crc64, Error, PART_LENGTH, Part, Patience, Store, UploadTicket};
use backon::BackoffBuilder;
use bytes::Bytes;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The window of one transfer, shared by its parts.
#[derive(Debug)]
pub(super) struct SharedWindow(Mutex<Window>);

impl SharedWindow {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Window::new()))
    }

    pub(super) fn size(&self) -> usize {
        self.lock().size()
    }

    /// Sends one part by `put`, again and again with growing pauses while the store may still take it.
    pub(super) async fn send<P>(
        &self,
        patience: &Patience,
        number: i32,
        put: impl Fn() -> P,
    ) -> Result<Part, Error>
    where
        P: Future<Output = Result<Part, Error>>,
    {
        let mut pauses = patience.pauses().build();
        loop {
            let (on_its_way, began) = (self.lock().begin(), Instant::now());
            match put().await {
                Ok(part) => {
                    if part.length == PART_LENGTH {
                        self.lock().taken(began.elapsed());
                    }
                    return Ok(part);
                }
                // A part that doesn't match its checksum was damaged on its way.
                Err(error) if error.is_transient() || error.has_code("BadDigest") => {
                    self.lock().refused(on_its_way);
                    let Some(pause) = pauses.next() else {
                        return Err(error);
                    };
                    tracing::warn!(part = number, ?pause, %error, "a part was not taken, trying again");
                    tokio::time::sleep(pause).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        // Nothing panics while it holds this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Sends one part until the store has it, and tells the window.
    pub(super) async fn put_part_patiently(
        &self,
        ticket: &UploadTicket,
        number: i32,
        (bytes, crc64nvme): (Bytes, Crc64),
        window: &SharedWindow,
    ) -> Result<Part, Error> {
        let put = || self.put_part(ticket, number, bytes.clone(), crc64nvme);
        window.send(&self.patience, number, put).await
    }
}
