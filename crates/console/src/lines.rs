//! A build's log as lines that a page can show: numbered, without terminal control, of bounded length.

use serde::Deserialize;

/// The longest line that is shown, in bytes; a longer one is broken.
const LINE_LENGTH_MAX: usize = 8 * 1024;

/// A place between two lines of a log: where a page that was read up to here goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Place {
    /// In bytes from the log's beginning.
    pub(crate) offset: i64,
    /// The lines before it.
    pub(crate) lines: u64,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u64,
    pub(crate) text: String,
}

impl Place {
    /// Cuts what was read from this place into lines and moves behind them. A last line without its
    /// end is left for the next time, unless nothing will follow or it is too long to wait for.
    pub(crate) fn advance(&mut self, bytes: &[u8], finished: bool) -> Vec<Line> {
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
            lines.push(Line {
                number: self.lines,
                text: readable(text),
            });
            rest = &rest[used..];
        }
        let used = bytes.len() - rest.len();
        self.offset += i64::try_from(used).unwrap_or(i64::MAX);
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

/// What a terminal would leave on the screen: no escape sequences, and of a line that was written over
/// by carriage returns only the last state.
fn readable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches('\r');
    let last = text.rsplit('\r').next().unwrap_or_default();
    let mut shown = String::with_capacity(last.len());
    let mut characters = last.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' if characters.peek() == Some(&'[') => {
                // A control sequence: parameters until a final byte (ECMA-48, section 5.4).
                characters.next();
                characters.find(|c| ('\u{40}'..='\u{7e}').contains(c));
            }
            '\t' => shown.push('\t'),
            c if c.is_control() => {}
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_are_numbered_across_reads() {
        let mut place = Place::default();
        let first = place.advance(b"one\ntwo\nthr", false);
        assert_eq!(texts(&first), ["one", "two"]);
        assert_eq!(place.to_string(), "8-2");
        let second = place.advance(b"three\nend", true);
        assert_eq!(texts(&second), ["three", "end"]);
        assert_eq!((second[1].number, place.offset), (4, 17));
    }

    #[test]
    fn a_line_without_an_end_is_broken_rather_than_waited_for() {
        let mut place = Place::default();
        let lines = place.advance(&vec![b'x'; LINE_LENGTH_MAX + 5], false);
        assert_eq!((lines.len(), lines[0].text.len()), (1, LINE_LENGTH_MAX));
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
    fn what_steers_a_terminal_is_not_shown() {
        assert_eq!(readable(b"\x1b[1;31merror\x1b[0m: no"), "error: no");
        assert_eq!(readable(b"10%\r50%\r100%\r"), "100%");
        assert_eq!(readable(b"a\x07\x00\tb\xff"), "a\tb\u{fffd}");
    }
}
