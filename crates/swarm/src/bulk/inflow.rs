//! What has come of the pieces that were asked for over one bulk connection.
//!
//! No I/O: bytes come in as the connection brings them, in any portions, and finished pieces go out.
//! Bytes of a piece are decrypted right into its buffer wherever a record holds nothing else.

use crate::buffers::{Buffer, Buffers};
use crate::wire::bulk::{HEADER_LENGTH, Header, What};
use std::collections::HashMap;

/// How one request ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The whole piece is here; nobody has checked it yet.
    Arrived { number: u32, bytes: Buffer },
    /// The far end said no.
    Refused { number: u32 },
    /// The far end gave up halfway, or we did.
    Stopped { number: u32 },
}

/// A far end that keeps to no rules. Nothing more of it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// See [`Header::decode`].
    #[error("it sent a malformed header")]
    Malformed,
    /// It speaks of a request that was never made, or is over.
    #[error("it answered what was not asked")]
    Unasked,
    /// It sends more than the piece has.
    #[error("it sent more bytes than the piece has")]
    TooLong,
}

/// What has come of a piece.
#[derive(Debug)]
enum Kept {
    /// Nothing, and no memory is taken.
    Nothing,
    Bytes(Buffer),
    /// Whatever came was thrown away: nobody waits for it any more.
    Unwanted,
}

/// One piece on its way in.
#[derive(Debug)]
struct Expected {
    length: usize,
    come: usize,
    kept: Kept,
}

#[derive(Debug)]
enum Reading {
    Header {
        filled: usize,
        bytes: [u8; HEADER_LENGTH],
    },
    Block {
        number: u32,
        left: usize,
    },
}

impl Reading {
    const fn next_header() -> Self {
        Self::Header {
            filled: 0,
            bytes: [0; HEADER_LENGTH],
        }
    }
}

/// The pieces on their way in over one connection, and where in the stream of their blocks it is.
#[derive(Debug)]
pub(crate) struct Inflow {
    buffers: Buffers,
    expected: HashMap<u32, Expected>,
    reading: Reading,
}

impl Inflow {
    pub(crate) fn new(buffers: Buffers) -> Self {
        Self {
            buffers,
            expected: HashMap::new(),
            reading: Reading::next_header(),
        }
    }

    /// Expects a piece of this length. Memory is taken when its first block comes.
    pub(crate) fn expect(&mut self, number: u32, length: usize) {
        let expected = Expected {
            length,
            come: 0,
            kept: Kept::Nothing,
        };
        self.expected.insert(number, expected);
    }

    /// Keeps nothing of a piece any more, though its end still has to come. False if it is over.
    pub(crate) fn give_up(&mut self, number: u32) -> bool {
        let Some(expected) = self.expected.get_mut(&number) else {
            return false;
        };
        expected.kept = Kept::Unwanted;
        true
    }

    /// Requests whose end has not come, those that were given up included.
    pub(crate) fn open(&self) -> usize {
        self.expected.len()
    }

    /// Takes in what the connection brought; what ended by it is added to `ends`, in order.
    ///
    /// # Errors
    ///
    /// If the far end breaks the rules. The connection is of no use any more then.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], ends: &mut Vec<End>) -> Result<(), Broken> {
        while !bytes.is_empty() {
            bytes = match &mut self.reading {
                Reading::Header {
                    filled,
                    bytes: header,
                } => {
                    let (now, later) = bytes.split_at(bytes.len().min(HEADER_LENGTH - *filled));
                    header[*filled..][..now.len()].copy_from_slice(now);
                    *filled += now.len();
                    if *filled == HEADER_LENGTH {
                        let header = Header::decode(header).map_err(|_| Broken::Malformed)?;
                        self.begin(header, ends)?;
                    }
                    later
                }
                Reading::Block { number, left } => {
                    let (now, later) = bytes.split_at(bytes.len().min(*left));
                    *left -= now.len();
                    let (number, over) = (*number, *left == 0);
                    self.keep(number, now);
                    if over {
                        self.end_block(number, ends);
                    }
                    later
                }
            };
        }
        Ok(())
    }

    /// Where the next bytes belong, if so many of them are a piece's that is wanted: a room of one byte more, which
    /// holds anything. [`Self::came`] says how many were put there.
    pub(crate) fn place(&mut self, bytes: usize) -> Option<&mut [u8]> {
        let Reading::Block { number, left } = &self.reading else {
            return None;
        };
        match &mut self.expected.get_mut(number)?.kept {
            Kept::Bytes(kept) if bytes <= *left => Some(kept.room(bytes + 1)),
            _ => None,
        }
    }

    /// So many bytes, no more than was asked for, were put in the [`Self::place`].
    pub(crate) fn came(&mut self, bytes: usize, ends: &mut Vec<End>) {
        let Reading::Block { number, left } = &mut self.reading else {
            return;
        };
        let number = *number;
        *left = left.saturating_sub(bytes);
        let is_over = *left == 0;
        if let Some(expected) = self.expected.get_mut(&number) {
            expected.come += bytes;
            if let Kept::Bytes(kept) = &mut expected.kept {
                kept.grow(bytes);
            }
        }
        if is_over {
            self.end_block(number, ends);
        }
    }

    fn begin(&mut self, Header { number, what }: Header, ends: &mut Vec<End>) -> Result<(), Broken> {
        let expected = self.expected.get_mut(&number).ok_or(Broken::Unasked)?;
        match what {
            What::Block(length) => {
                let left = length as usize;
                if left > expected.length - expected.come {
                    return Err(Broken::TooLong);
                }
                if matches!(expected.kept, Kept::Nothing) {
                    expected.kept = Kept::Bytes(self.buffers.take(expected.length + 1));
                }
                self.reading = Reading::Block { number, left };
            }
            What::Refused | What::Stopped => {
                let wanted = !matches!(expected.kept, Kept::Unwanted);
                self.expected.remove(&number);
                self.reading = Reading::next_header();
                if wanted {
                    ends.push(match what {
                        What::Refused => End::Refused { number },
                        _ => End::Stopped { number },
                    });
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, number: u32, bytes: &[u8]) {
        if let Some(expected) = self.expected.get_mut(&number) {
            expected.come += bytes.len();
            if let Kept::Bytes(kept) = &mut expected.kept {
                kept.extend_from_slice(bytes);
            }
        }
    }

    fn end_block(&mut self, number: u32, ends: &mut Vec<End>) {
        self.reading = Reading::next_header();
        let whole = self
            .expected
            .get(&number)
            .is_some_and(|expected| expected.come == expected.length);
        if whole
            && let Some(Expected {
                kept: Kept::Bytes(bytes),
                ..
            }) = self.expected.remove(&number)
        {
            ends.push(End::Arrived { number, bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(number: u32, bytes: &[u8]) -> Vec<u8> {
        let what = What::Block(bytes.len() as u32);
        [&Header { number, what }.encode()[..], bytes].concat()
    }

    fn word(number: u32, what: What) -> Vec<u8> {
        Header { number, what }.encode().to_vec()
    }

    proptest! {
        #[test]
        fn pieces_come_whole_in_whatever_portions_the_connection_brings_them(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 1..6),
            block_length in 1..20_usize,
            portion in 1..30_usize,
            in_place: bool,
        ) {
            let mut inflow = Inflow::new(Buffers::default());
            let mut wire = Vec::new();
            for (number, piece) in pieces.iter().enumerate() {
                inflow.expect(number as u32, piece.len());
                wire.extend(piece.chunks(block_length).flat_map(|bytes| block(number as u32, bytes)));
            }
            let mut ends = Vec::new();
            for bytes in wire.chunks(portion) {
                match inflow.place(bytes.len()).filter(|_| in_place) {
                    Some(place) => {
                        place[..bytes.len()].copy_from_slice(bytes);
                        place[bytes.len()] = 0xFF;
                        inflow.came(bytes.len(), &mut ends);
                    }
                    None => inflow.feed(bytes, &mut ends).unwrap(),
                }
            }
            let expected: Vec<_> = pieces
                .into_iter()
                .enumerate()
                .map(|(number, piece)| {
                    let mut bytes = Buffers::default().take(piece.len());
                    bytes.extend_from_slice(&piece);
                    End::Arrived { number: number as u32, bytes }
                })
                .collect();
            prop_assert_eq!(ends, expected);
            prop_assert_eq!(inflow.open(), 0);
        }

        #[test]
        fn any_bytes_are_blocks_or_break_the_rules(bytes: Vec<u8>) {
            let mut inflow = Inflow::new(Buffers::default());
            inflow.expect(0, 300);
            let mut ends = Vec::new();
            // No panic, and never more memory than the piece has bytes.
            let _ = inflow.feed(&bytes, &mut ends);
            prop_assert!(ends.len() <= 1);
        }
    }

    #[test]
    fn what_was_given_up_is_read_and_not_kept() {
        let mut inflow = Inflow::new(Buffers::default());
        let mut ends = Vec::new();
        inflow.expect(1, 6);
        inflow.expect(2, 3);
        inflow.feed(&block(1, b"abc"), &mut ends).unwrap();
        assert!(inflow.give_up(1));
        let rest = [block(1, b"def"), word(2, What::Refused)].concat();
        inflow.feed(&rest, &mut ends).unwrap();
        assert_eq!(ends, [End::Refused { number: 2 }]);
        assert!(!inflow.give_up(1), "its end has come");
    }

    #[test]
    fn a_far_end_that_breaks_the_rules_is_found_out() {
        let said = [
            (word(9, What::Refused), Broken::Unasked),
            (block(1, b"abcd"), Broken::TooLong),
            ([block(1, b"abc"), block(1, b"d")].concat(), Broken::Unasked),
            (vec![0xFF; HEADER_LENGTH], Broken::Malformed),
        ];
        for (wire, broken) in said {
            let mut inflow = Inflow::new(Buffers::default());
            inflow.expect(1, 3);
            assert_eq!(inflow.feed(&wire, &mut Vec::new()), Err(broken));
        }
    }
}
