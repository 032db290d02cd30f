//! A log as lines: numbered once and for all, of bounded length, and safe to show.

use super::ansi::{self, Span};
use super::needle::Needle;
use database::jobs::{Dropped, LogGap};
use serde::Deserialize;

/// The longest line, in bytes; a longer one is broken.
const LINE_LENGTH_MAX: usize = 8 * 1024;
/// What the worker itself says begins with this. A build may say so too, so it decides nothing but the look.
const OURS: &str = "[starling] ";

/// A place between two lines of a log: where whoever read up to here goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Place {
    /// In bytes from the log's beginning.
    pub(crate) offset: i64,
    /// The lines before it.
    pub(crate) lines: u64,
}

/// A line as it was written, without its end. A log only grows, so its number never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawLine {
    /// Counted from 1.
    pub(crate) number: u64,
    /// Where it begins, in bytes of the log.
    pub(crate) offset: i64,
    bytes: Vec<u8>,
}

impl RawLine {
    /// Its text, without what steers a terminal.
    pub(crate) fn text(&self) -> String {
        ansi::plain(&self.bytes)
    }
}

/// A line as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u64,
    /// What was dropped here, by the worker's word and not by what the line says.
    pub(crate) gap: Option<Dropped>,
    /// Whether it reads as if the worker had said it.
    pub(crate) ours: bool,
    pub(crate) spans: Vec<Span>,
}

impl Line {
    /// Makes a line fit to be shown, with what was searched for marked.
    pub(crate) fn new(raw: &RawLine, gaps: &[LogGap], needle: Option<&Needle>) -> Self {
        let spans = ansi::spans(&raw.bytes);
        let gap = gaps.iter().find(|gap| gap.position == raw.offset);
        Self {
            number: raw.number,
            gap: gap.map(|gap| gap.dropped),
            ours: spans.first().is_some_and(|span| span.text.starts_with(OURS)),
            spans: match needle {
                Some(needle) => needle.mark(spans),
                None => spans,
            },
        }
    }
}

impl Place {
    /// Cuts what was read from this place into lines and moves behind them. A last line without its
    /// end is left for the next time, unless nothing will follow or it is too long to wait for.
    pub(crate) fn advance(&mut self, bytes: &[u8], finished: bool) -> Vec<RawLine> {
        let mut lines = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let newline = rest.iter().take(LINE_LENGTH_MAX).position(|&byte| byte == b'\n');
            let (text, used) = match newline {
                Some(end) => (&rest[..end], end + 1),
                None if rest.len() >= LINE_LENGTH_MAX => (&rest[..LINE_LENGTH_MAX], LINE_LENGTH_MAX),
                None if finished => (rest, rest.len()),
                None => break,
            };
            self.lines += 1;
            lines.push(RawLine {
                number: self.lines,
                offset: self.offset,
                bytes: text.to_vec(),
            });
            rest = &rest[used..];
            self.offset += i64::try_from(used).unwrap_or(i64::MAX);
        }
        lines
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.offset, self.lines)
    }
}

/// A text that is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a place in a log is written OFFSET-LINES")]
pub(crate) struct InvalidPlace;

impl TryFrom<String> for Place {
    type Error = InvalidPlace;

    fn try_from(text: String) -> Result<Self, InvalidPlace> {
        text.parse()
    }
}

impl std::str::FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let (offset, lines) = text.split_once('-').ok_or(InvalidPlace)?;
        let offset: i64 = offset.parse().map_err(|_| InvalidPlace)?;
        let lines: u64 = lines.parse().map_err(|_| InvalidPlace)?;
        // More lines than bytes is impossible, and a huge count could overflow.
        if offset < 0 || lines > offset.unsigned_abs() {
            return Err(InvalidPlace);
        }
        Ok(Self { offset, lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[RawLine]) -> Vec<String> {
        lines.iter().map(RawLine::text).collect()
    }

    #[test]
    fn lines_are_numbered_across_reads() {
        let mut place = Place::default();
        let first = place.advance(b"one\ntwo\nthr", false);
        assert_eq!(texts(&first), ["one", "two"]);
        assert_eq!(place.to_string(), "8-2");
        let second = place.advance(b"three\nend", true);
        assert_eq!(texts(&second), ["three", "end"]);
        assert_eq!((second[1].number, second[1].offset, place.offset), (4, 14, 17));
    }

    #[test]
    fn a_line_without_an_end_is_broken_rather_than_waited_for() {
        let mut place = Place::default();
        let lines = place.advance(&vec![b'x'; LINE_LENGTH_MAX + 5], false);
        assert_eq!((lines.len(), lines[0].text().len()), (1, LINE_LENGTH_MAX));
    }

    #[test]
    fn a_place_reads_back_as_it_was_written_and_nothing_else_does() {
        let place = Place {
            offset: 900,
            lines: 12,
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        for bad in ["", "1", "-", "-1-0", "1-2", "0-18446744073709551615", "a-b"] {
            assert_eq!(bad.parse::<Place>(), Err(InvalidPlace), "{bad}");
        }
    }

    #[test]
    fn only_the_workers_word_makes_a_gap() {
        let mut place = Place::default();
        let said = b"[starling] 5 bytes in 1 lines of output were dropped here\n";
        let lines = place.advance(&said.repeat(2), true);
        let dropped = Dropped { bytes: 5, lines: 1 };
        let gaps = [LogGap {
            position: lines[1].offset,
            dropped,
        }];
        let shown: Vec<_> = lines.iter().map(|line| Line::new(line, &gaps, None)).collect();
        assert_eq!([shown[0].gap, shown[1].gap], [None, Some(dropped)]);
        assert!(shown[0].ours);
    }
}
