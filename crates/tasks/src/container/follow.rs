//! Writing a container's output into its task's log, while it comes.

use super::place::{self, Reader};
use crate::task::LogFile;
use bollard::Docker;
use bollard::query_parameters::LogsOptions;
use futures::StreamExt as _;
use std::io;
use std::time::Duration;

/// How many pieces of output are written at once.
const PIECES_MAX: usize = 256;
/// The pause before output is asked for again that did not come.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes all output until the container has ended.
pub(super) async fn follow(docker: &Docker, container: &str, log: &LogFile) {
    loop {
        // Asked before: what comes after a container's end is all of it.
        let runs = super::inspect(docker, container).await.map(|found| {
            let state = found.state.and_then(|state| state.running);
            state.unwrap_or(false)
        });
        if let Err(error) = once(docker, container, log).await {
            tracing::warn!(container.id = container, %error, "the output of a container is not written for a moment");
        }
        if let Ok(false) = runs {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn once(docker: &Docker, container: &str, log: &LogFile) -> io::Result<()> {
    let path = log.path.clone();
    let place = tokio::task::spawn_blocking(move || place::load(&path)).await?;
    let options = LogsOptions {
        follow: true,
        stdout: true,
        stderr: true,
        timestamps: true,
        // Some runtimes leave out the very second that is asked for.
        since: i32::try_from(place.second.saturating_sub(1).max(0)).unwrap_or(0),
        ..LogsOptions::default()
    };
    let mut reader = Reader::new(place);
    let mut pieces = Box::pin(docker.logs(container, Some(options)).ready_chunks(PIECES_MAX));
    while let Some(chunk) = pieces.next().await {
        let mut text = Vec::new();
        let mut failure = None;
        for piece in chunk {
            match piece {
                Ok(piece) => text.extend_from_slice(reader.take(piece.as_ref()).unwrap_or_default()),
                Err(error) => failure = Some(io::Error::other(super::word(&error))),
            }
        }
        if !text.is_empty() {
            write(log, text, &reader).await?;
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
    Ok(())
}

async fn write(log: &LogFile, text: Vec<u8>, reader: &Reader) -> io::Result<()> {
    let (log, place) = (log.clone(), reader.place());
    let written = tokio::task::spawn_blocking(move || {
        log.append(&text)?;
        place::store(&log.path, place)
    });
    written.await?
}
