//! What is searched for in a log.

use super::ansi::Span;
use std::ops::Range;

/// The longest text that is searched for, in bytes.
const LENGTH_MAX: usize = 200;

/// A text to find. One without capital letters is found in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Needle {
    text: String,
    any_case: bool,
}

/// A text that nobody can search for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("search for 1 to {LENGTH_MAX} bytes of text in one line")]
pub(crate) struct InvalidNeedle;

impl std::str::FromStr for Needle {
    type Err = InvalidNeedle;

    fn from_str(text: &str) -> Result<Self, InvalidNeedle> {
        let fits = (1..=LENGTH_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        let any_case = !text.chars().any(char::is_uppercase);
        fits.then(|| Self {
            text: text.to_owned(),
            any_case,
        })
        .ok_or(InvalidNeedle)
    }
}

impl Needle {
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Where it is in a line.
    pub(crate) fn find(&self, line: &str) -> Vec<Range<usize>> {
        let ranges = |line: &str| {
            line.match_indices(&self.text)
                .map(|(at, found)| at..at + found.len())
                .collect()
        };
        if self.any_case {
            // Of ASCII letters only, which leaves every other byte at its place.
            ranges(&line.to_ascii_lowercase())
        } else {
            ranges(line)
        }
    }

    /// Cuts a line's pieces so that what is found is marked, across styles too.
    pub(crate) fn mark(&self, spans: Vec<Span>) -> Vec<Span> {
        let line: String = spans.iter().map(|span| span.text.as_str()).collect();
        let found = self.find(&line);
        if found.is_empty() {
            return spans;
        }
        let mut marked = Vec::new();
        let mut start = 0;
        for span in spans {
            let end = start + span.text.len();
            let mut cuts: Vec<usize> = found
                .iter()
                .flat_map(|range| [range.start, range.end])
                .filter(|cut| (start + 1..end).contains(cut))
                .collect();
            cuts.push(end);
            let mut from = start;
            for cut in cuts {
                marked.push(Span {
                    text: span.text[from - start..cut - start].to_owned(),
                    style: span.style,
                    found: found.iter().any(|range| range.contains(&from)),
                });
                from = cut;
            }
            start = end;
        }
        marked
    }
}

#[cfg(test)]
mod tests {
    use super::super::ansi::spans;
    use super::*;

    fn marked(needle: &str, line: &[u8]) -> Vec<(String, bool)> {
        let needle: Needle = needle.parse().unwrap();
        let marked = needle.mark(spans(line));
        marked.into_iter().map(|span| (span.text, span.found)).collect()
    }

    #[test]
    fn a_text_is_marked_across_styles_and_nothing_is_lost() {
        let line = b"an \x1b[31merr\x1b[1mor: Error\x1b[0m!";
        let found: Vec<_> = marked("error", line);
        let wanted = [
            ("an ", false),
            ("err", true),
            ("or", true),
            (": ", false),
            ("Error", true),
            ("!", false),
        ];
        assert_eq!(found, wanted.map(|(text, found)| (text.to_owned(), found)));
    }

    #[test]
    fn capitals_are_meant_as_they_are_written() {
        let needle: Needle = "Error".parse().unwrap();
        let found: Vec<_> = needle
            .find("error Error")
            .iter()
            .map(|range| range.start)
            .collect();
        assert_eq!(found, [6]);
        let needle: Needle = "größe".parse().unwrap();
        assert_eq!(needle.find("GRößE größe").len(), 2);
    }

    #[test]
    fn nobody_searches_for_nothing_or_for_a_novel() {
        for bad in ["", "two\nlines", &"x".repeat(LENGTH_MAX + 1)] {
            assert_eq!(bad.parse::<Needle>(), Err(InvalidNeedle));
        }
    }
}
