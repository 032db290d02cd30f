//! Reasons, as a manager is told them.

use model::instance::REASON_LENGTH_MAX;
use std::error::Error;

/// An error and everything behind it in one line, cut to what a report may hold.
pub(crate) fn reason(error: &(dyn Error + 'static)) -> String {
    let chain: Vec<String> = std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect();
    cut(chain.join(": "))
}

/// Cuts a text to what a report may hold, between two characters.
pub(crate) fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(REASON_LENGTH_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_characters() {
        let text = cut("é".repeat(REASON_LENGTH_MAX));
        assert_eq!(text, "é".repeat(REASON_LENGTH_MAX / 2));
    }

    #[test]
    fn a_reason_tells_the_whole_chain() {
        let source = std::io::Error::other("disk on fire");
        let error = crate::Error::Folder {
            path: "x".into(),
            source,
        };
        assert_eq!(reason(&error), "failed to use \"x\": disk on fire");
    }
}
