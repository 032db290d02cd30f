//! Which part of a flood is kept. Pure: bytes in, bytes out.

use crate::LogLimits;
use database::jobs::Dropped;
use std::collections::VecDeque;

/// Keeps the first bytes as they come and the last ones for the end.
#[derive(Debug)]
pub(super) struct Cap {
    limits: LogLimits,
    /// Bytes of the head that were let through.
    passed: usize,
    /// The newest bytes beyond the head.
    tail: VecDeque<u8>,
    /// Bytes beyond the head, kept or not.
    beyond: u64,
    /// Line ends beyond the head, kept or not.
    lines_beyond: u64,
}

/// What is left to be written when the output is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    /// What was dropped; may be nothing.
    pub(super) dropped: Dropped,
    /// The last bytes.
    pub(super) tail: Vec<u8>,
}

impl Cap {
    pub(super) fn new(limits: LogLimits) -> Self {
        Self {
            limits,
            passed: 0,
            tail: VecDeque::new(),
            beyond: 0,
            lines_beyond: 0,
        }
    }

    /// Takes output in; returns what of it is written now, and a notice where it is cut here.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], String) {
        let room = self.limits.head_bytes - self.passed;
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.passed += head.len();
        let cut_here = self.beyond == 0 && !rest.is_empty();
        self.keep(rest);
        let notice = if cut_here {
            let (head, tail) = (self.limits.head_bytes, self.limits.tail_bytes);
            format!(
                "\n[starling] the log has reached its limit of {head} bytes; from here on only the last {tail} \
                 bytes are kept, and follow when the command has ended\n"
            )
        } else {
            String::new()
        };
        (head, notice)
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.beyond += bytes.len() as u64;
        self.lines_beyond += line_ends(bytes);
        let newest = &bytes[bytes.len().saturating_sub(self.limits.tail_bytes)..];
        let surplus = (self.tail.len() + newest.len()).saturating_sub(self.limits.tail_bytes);
        self.tail.drain(..surplus);
        self.tail.extend(newest);
    }

    /// What is left to be written; `None` if everything was written as it came.
    pub(super) fn end(&mut self) -> Option<End> {
        if self.beyond == 0 {
            return None;
        }
        let tail: Vec<u8> = std::mem::take(&mut self.tail).into();
        let dropped = Dropped {
            bytes: self.beyond - tail.len() as u64,
            lines: self.lines_beyond - line_ends(&tail),
        };
        Some(End { dropped, tail })
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cap(head_bytes: usize, tail_bytes: usize) -> Cap {
        Cap::new(LogLimits {
            head_bytes,
            tail_bytes,
        })
    }

    #[test]
    fn a_flood_keeps_its_beginning_and_end_and_says_what_is_missing() {
        let mut cap = cap(4, 3);
        assert_eq!(cap.take(b"ab"), (&b"ab"[..], String::new()));
        let (head, notice) = cap.take(b"cdef");
        assert_eq!(head, b"cd");
        assert!(notice.contains("limit of 4 bytes"), "{notice}");
        assert_eq!(cap.take(b"\nhi\n"), (&b""[..], String::new()));
        let end = cap.end().unwrap();
        let dropped = Dropped { bytes: 3, lines: 1 };
        assert_eq!((end.dropped, end.tail.as_slice()), (dropped, &b"hi\n"[..]));
    }

    #[test]
    fn output_within_the_limit_passes_untouched() {
        let mut cap = cap(4, 3);
        assert_eq!(cap.take(b"abcd"), (&b"abcd"[..], String::new()));
        assert_eq!(cap.end(), None);
    }

    proptest! {
        #[test]
        fn however_output_is_cut_into_chunks_the_same_is_kept(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..20),
            head in 0..50_usize,
            tail in 0..50_usize,
        ) {
            let whole = chunks.concat();
            let mut cap = cap(head, tail);
            let mut written = Vec::new();
            for chunk in &chunks {
                written.extend_from_slice(cap.take(chunk).0);
                prop_assert!(cap.tail.len() <= tail);
            }
            prop_assert_eq!(&written, &whole[..head.min(whole.len())]);
            let beyond = &whole[written.len()..];
            match cap.end() {
                None => prop_assert!(beyond.is_empty()),
                Some(end) => {
                    let kept = &beyond[beyond.len().saturating_sub(tail)..];
                    prop_assert_eq!(end.tail.as_slice(), kept);
                    let lost = &beyond[..beyond.len() - kept.len()];
                    let dropped = Dropped { bytes: lost.len() as u64, lines: line_ends(lost) };
                    prop_assert_eq!(end.dropped, dropped);
                }
            }
        }
    }
}
