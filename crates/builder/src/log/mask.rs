//! Hiding secrets in output. Pure: bytes in, bytes out.
//!
//! This protects from accidents (`set -x`, a tool that prints its configuration), and cannot protect from a
//! build that encodes a secret before it prints it: whoever may change the target may have its secrets.

use secrecy::{ExposeSecret, SecretString};

/// What stands where a secret stood.
const MASK: &[u8] = b"***";
/// A line of a secret that is shorter than this is no secret by itself: hiding it would hide ordinary text.
pub(crate) const PATTERN_LENGTH_MIN: usize = 8;

/// Hides secrets in a stream, however it is cut into chunks.
pub(crate) struct Masker {
    patterns: Vec<Vec<u8>>,
    /// The newest bytes, which may be the beginning of a secret. Shorter than the longest pattern.
    held: Vec<u8>,
    /// How many of `held` belong to a secret that is hidden already.
    covered: usize,
}

impl Masker {
    /// Hides each secret as a whole, and where it has several lines each of them: tools print a key line by
    /// line, and indent it.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut patterns: Vec<Vec<u8>> = secrets
            .into_iter()
            .flat_map(|secret| {
                let text = secret.expose_secret();
                std::iter::once(text).chain(text.lines().map(str::trim))
            })
            .filter(|pattern| pattern.len() >= PATTERN_LENGTH_MIN)
            .map(|pattern| pattern.as_bytes().to_vec())
            .collect();
        patterns.sort_unstable();
        patterns.dedup();
        Self {
            patterns,
            held: Vec::new(),
            covered: 0,
        }
    }

    /// Takes output in; returns what of it, and of what was held back before, can be shown.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.patterns.is_empty() {
            return bytes.to_vec();
        }
        self.held.extend_from_slice(bytes);
        self.show(self.first_open())
    }

    /// What was held back, when nothing comes any more.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        self.show(self.held.len())
    }

    /// Where in `held` the first secret may begin that is not there in full.
    fn first_open(&self) -> usize {
        let longest = self.patterns.iter().map(Vec::len).max().unwrap_or(0);
        let from = self.held.len().saturating_sub(longest.saturating_sub(1));
        let may_begin_at = |&at: &usize| {
            let rest = &self.held[at..];
            let begins = |pattern: &Vec<u8>| pattern.len() > rest.len() && pattern.starts_with(rest);
            self.patterns.iter().any(begins)
        };
        (from..self.held.len())
            .find(may_begin_at)
            .unwrap_or(self.held.len())
    }

    /// Lets go of the first `end` bytes. Secrets that overlap are hidden as one.
    fn show(&mut self, end: usize) -> Vec<u8> {
        let mut shown = Vec::with_capacity(end);
        let mut covered = self.covered;
        for at in 0..end {
            let matching = |pattern: &&Vec<u8>| self.held[at..].starts_with(pattern);
            if let Some(length) = self.patterns.iter().filter(matching).map(Vec::len).max() {
                if at >= covered {
                    shown.extend_from_slice(MASK);
                }
                covered = covered.max(at + length);
            }
            if at >= covered {
                shown.push(self.held[at]);
            }
        }
        self.held.drain(..end);
        self.covered = covered.saturating_sub(end);
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secrets(texts: &[&str]) -> Vec<SecretString> {
        texts.iter().map(|text| SecretString::from(*text)).collect()
    }

    fn masked(secrets: &[SecretString], chunks: &[&[u8]]) -> Vec<u8> {
        let mut masker = Masker::new(secrets);
        let mut shown: Vec<u8> = chunks.iter().flat_map(|chunk| masker.take(chunk)).collect();
        shown.extend(masker.end());
        shown
    }

    #[test]
    fn a_secret_is_hidden_also_across_chunks() {
        let secrets = secrets(&["hunter2hunter2"]);
        let shown = masked(&secrets, &[b"token=hunter2", b"hunter2\nhunter2 is half\n"]);
        assert_eq!(shown, b"token=***\nhunter2 is half\n");
    }

    #[test]
    fn output_that_cannot_become_a_secret_is_not_held_back() {
        let mut masker = Masker::new(&secrets(&["hunter2hunter2"]));
        assert_eq!(masker.take(b"compiling... h"), b"compiling... ");
        assert_eq!(masker.take(b"ello"), b"hello");
    }

    #[test]
    fn each_line_of_a_key_is_hidden_and_short_lines_are_not() {
        let secrets = secrets(&["-----BEGIN-----\nabcdefghijkl\nmnop\n-----END-------"]);
        let shown = masked(&secrets, &[b"  abcdefghijkl\n  mnop\n"]);
        assert_eq!(shown, b"  ***\n  mnop\n");
    }

    #[test]
    fn secrets_that_overlap_are_hidden_as_one() {
        let secrets = secrets(&["abcdefgh", "efghijkl"]);
        assert_eq!(masked(&secrets, &[b"<abcd", b"efgh", b"ijkl>"]), b"<***>");
    }

    /// Which bytes belong to a secret, by looking at all of them at once.
    fn hidden(secrets: &[String], whole: &[u8]) -> Vec<bool> {
        let mut hidden = vec![false; whole.len()];
        for secret in secrets {
            for at in 0..whole.len() {
                if whole[at..].starts_with(secret.as_bytes()) {
                    hidden[at..at + secret.len()].fill(true);
                }
            }
        }
        hidden
    }

    proptest! {
        // Two letters only, so that secrets and their beginnings are everywhere.
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn however_output_is_cut_no_secret_is_shown_and_nothing_else_is_lost(
            secrets in proptest::collection::vec("[ab]{8,11}", 0..4),
            chunks in proptest::collection::vec("[ab]{0,14}", 0..10),
        ) {
            let whole = chunks.concat().into_bytes();
            let hidden = hidden(&secrets, &whole);
            let mut expected: Vec<u8> = Vec::new();
            for (at, byte) in whole.iter().enumerate() {
                if !hidden[at] {
                    expected.push(*byte);
                }
            }
            let values: Vec<_> = secrets.iter().map(|text| SecretString::from(text.as_str())).collect();
            let chunks: Vec<&[u8]> = chunks.iter().map(String::as_bytes).collect();
            let shown = masked(&values, &chunks);
            let rest: Vec<u8> = shown.iter().copied().filter(|byte| *byte != b'*').collect();
            prop_assert_eq!(rest, expected);
            let text = String::from_utf8(shown).unwrap();
            for secret in &secrets {
                prop_assert!(!text.contains(secret.as_str()), "{secret} in {text}");
            }
            prop_assert_eq!(text.contains('*'), hidden.contains(&true));
        }

        #[test]
        fn what_is_held_back_is_shorter_than_a_secret(chunks in proptest::collection::vec("[ab]{0,14}", 0..10)) {
            let mut masker = Masker::new(&secrets(&["abababababab"]));
            for chunk in chunks {
                masker.take(chunk.as_bytes());
                prop_assert!(masker.held.len() < 12);
            }
        }
    }
}
