//! Searching a log: line by line from a place on, for a bounded while.

use super::{Logs, Needle, Place, READ_BYTES_MAX};
use crate::refusal::Refusal;
use crate::wire::{LogMatch, LogSearch};
use model::BuildId;

/// The most lines that one answer names.
const MATCHES_MAX: usize = 200;
/// The most bytes that one answer has looked through.
const SEARCHED_BYTES_MAX: i64 = 16 << 20;
/// How much of a line is shown, in bytes.
const TEXT_LENGTH_MAX: usize = 400;

/// Searches from a place on, until there are enough matches, or for a while.
pub(crate) async fn search(
    logs: &Logs,
    build: BuildId,
    needle: &Needle,
    from: Place,
) -> Result<LogSearch, Refusal> {
    let mut matches = Vec::new();
    let mut place = from;
    while place.offset - from.offset < SEARCHED_BYTES_MAX {
        let slice = logs.read(build, place.offset, READ_BYTES_MAX).await?;
        let before = place;
        for line in place.advance(&slice.bytes, slice.finished) {
            let text = line.text();
            let Some(first) = needle.find(&text).into_iter().next() else {
                continue;
            };
            if matches.len() == MATCHES_MAX {
                let next = Place {
                    offset: line.offset,
                    lines: line.number - 1,
                };
                return Ok(LogSearch {
                    matches,
                    next: Some(next.to_string()),
                });
            }
            matches.push(LogMatch {
                line: line.number,
                offset: line.offset,
                text: excerpt(&text, first.start),
            });
        }
        // The log ends here, or so far.
        if slice.finished || place == before {
            return Ok(LogSearch { matches, next: None });
        }
    }
    Ok(LogSearch {
        matches,
        next: Some(place.to_string()),
    })
}

/// A line, or the part of a long one that begins a little before the byte `at`.
fn excerpt(text: &str, at: usize) -> String {
    if text.len() <= TEXT_LENGTH_MAX {
        return text.to_owned();
    }
    let start = text.floor_char_boundary(at.saturating_sub(TEXT_LENGTH_MAX / 4));
    let end = text.floor_char_boundary((start + TEXT_LENGTH_MAX).min(text.len()));
    let dots = |cut: bool| if cut { "…" } else { "" };
    format!(
        "{}{}{}",
        dots(start > 0),
        &text[start..end],
        dots(end < text.len())
    )
}
