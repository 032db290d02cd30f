//! What goes over a bulk connection, within TLS.
//!
//! The dialler first proves, with a [`Token`], that it holds a live control session with the listener.
//! Then it sends [`Request`]s, all of one length, and the listener sends pieces, cut into blocks that are
//! each led by a [`Header`]. Every `Want` has exactly one end: its last block, `Refused` or `Stopped`.
//! Ends come in the order in which the listener grants the requests, not in the order of asking: a
//! granted piece that had to wait for an earlier, ungranted one would hold an upload slot for nothing.

use model::ArtifactId;

/// The longest block, in bytes. Short, so that a piece nobody waits for any more costs at most one of
/// them more (2 ms at 1 Gbit/s), and that a rate limit is kept evenly; long enough that 9 bytes of header
/// and a 22-byte TLS record of its own are nothing beside it.
pub(crate) const BLOCK_LENGTH_MAX: usize = 256 << 10;

/// The length of a token: a counter and a MAC.
pub(crate) const TOKEN_LENGTH: usize = 8 + MAC_LENGTH;
/// BLAKE3's.
pub(crate) const MAC_LENGTH: usize = 32;

/// What ties a bulk connection to its control session; see `bulk/token.rs` for what the MAC covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// Greater than in every token before it under the same key.
    pub(crate) counter: u64,
    pub(crate) mac: [u8; MAC_LENGTH],
}

impl Token {
    pub(crate) fn encode(self) -> [u8; TOKEN_LENGTH] {
        let mut bytes = [0; TOKEN_LENGTH];
        let (counter, mac) = bytes.split_at_mut(8);
        counter.copy_from_slice(&self.counter.to_be_bytes());
        mac.copy_from_slice(&self.mac);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; TOKEN_LENGTH]) -> Self {
        let (counter, mac) = bytes.split_at(8);
        let (mut number, mut copy) = ([0; 8], [0; MAC_LENGTH]);
        number.copy_from_slice(counter);
        copy.copy_from_slice(mac);
        Self {
            counter: u64::from_be_bytes(number),
            mac: copy,
        }
    }
}

/// The length of every request.
pub(crate) const REQUEST_LENGTH: usize = 1 + 4 + 32 + 4;

/// What a dialler says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// Send this piece.
    Want {
        /// A name for this request, not in use on the connection.
        number: u32,
        artifact: ArtifactId,
        piece: u32,
    },
    /// Stop sending what this request asked for, at the next block.
    Cancel { number: u32 },
}

const WANT: u8 = 0;
const CANCEL: u8 = 1;

/// Bytes that no honest peer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed bulk frame")]
pub(crate) struct Malformed;

impl Request {
    pub(crate) fn encode(self) -> [u8; REQUEST_LENGTH] {
        let (kind, number, artifact, piece) = match self {
            Self::Want {
                number,
                artifact,
                piece,
            } => (WANT, number, artifact.0, piece),
            Self::Cancel { number } => (CANCEL, number, [0; 32], 0),
        };
        let mut bytes = [0; REQUEST_LENGTH];
        bytes[0] = kind;
        bytes[1..5].copy_from_slice(&number.to_be_bytes());
        bytes[5..37].copy_from_slice(&artifact);
        bytes[37..].copy_from_slice(&piece.to_be_bytes());
        bytes
    }

    /// # Errors
    ///
    /// If it is of no known kind, or fills what its kind leaves empty.
    pub(crate) fn decode(bytes: &[u8; REQUEST_LENGTH]) -> Result<Self, Malformed> {
        let (kind, rest) = bytes.split_first().ok_or(Malformed)?;
        let (number, rest) = take_u32(rest).ok_or(Malformed)?;
        let (artifact, rest) = rest.split_first_chunk::<32>().ok_or(Malformed)?;
        let (piece, _) = take_u32(rest).ok_or(Malformed)?;
        match *kind {
            WANT => Ok(Self::Want {
                number,
                artifact: ArtifactId(*artifact),
                piece,
            }),
            CANCEL if *artifact == [0; 32] && piece == 0 => Ok(Self::Cancel { number }),
            _ => Err(Malformed),
        }
    }
}

/// The length of every header.
pub(crate) const HEADER_LENGTH: usize = 4 + 1 + 4;

/// What a listener says, of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u32,
    pub(crate) what: What,
}

/// What follows a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// So many more bytes of the piece.
    Block(u32),
    /// Nothing: not from here, not now.
    Refused,
    /// Nothing: the rest will not come.
    Stopped,
}

const BLOCK: u8 = 0;
const REFUSED: u8 = 1;
const STOPPED: u8 = 2;

impl Header {
    pub(crate) fn encode(self) -> [u8; HEADER_LENGTH] {
        let (kind, length) = match self.what {
            What::Block(length) => (BLOCK, length),
            What::Refused => (REFUSED, 0),
            What::Stopped => (STOPPED, 0),
        };
        let mut bytes = [0; HEADER_LENGTH];
        bytes[..4].copy_from_slice(&self.number.to_be_bytes());
        bytes[4] = kind;
        bytes[5..].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// # Errors
    ///
    /// If it is of no known kind, a block is empty or too long, or something else has a length.
    pub(crate) fn decode(bytes: &[u8; HEADER_LENGTH]) -> Result<Self, Malformed> {
        let (number, rest) = take_u32(bytes).ok_or(Malformed)?;
        let (kind, rest) = rest.split_first().ok_or(Malformed)?;
        let (length, _) = take_u32(rest).ok_or(Malformed)?;
        let what = match (*kind, length) {
            (BLOCK, 1..) if length as usize <= BLOCK_LENGTH_MAX => What::Block(length),
            (REFUSED, 0) => What::Refused,
            (STOPPED, 0) => What::Stopped,
            _ => return Err(Malformed),
        };
        Ok(Self { number, what })
    }
}

fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_request_that_is_understood_is_what_was_sent(bytes: [u8; REQUEST_LENGTH]) {
            if let Ok(request) = Request::decode(&bytes) {
                prop_assert_eq!(request.encode(), bytes);
            }
        }

        #[test]
        fn a_header_that_is_understood_is_what_was_sent(mut bytes: [u8; HEADER_LENGTH], kind in 0..4_u8) {
            bytes[4] = kind;
            bytes[5] = 0;
            if let Ok(header) = Header::decode(&bytes) {
                prop_assert_eq!(header.encode(), bytes);
            }
        }

        #[test]
        fn a_token_survives_the_wire(counter: u64, mac: [u8; MAC_LENGTH]) {
            let token = Token { counter, mac };
            prop_assert_eq!(Token::decode(&token.encode()), token);
        }
    }

    #[test]
    fn frames_that_no_honest_peer_sends_are_malformed() {
        let header = |what| Header { number: 7, what }.encode();
        for what in [
            What::Block(0),
            What::Block(BLOCK_LENGTH_MAX as u32 + 1),
            What::Block(u32::MAX),
        ] {
            assert_eq!(Header::decode(&header(what)), Err(Malformed), "{what:?}");
        }
        let mut refused = header(What::Refused);
        refused[8] = 1;
        assert_eq!(Header::decode(&refused), Err(Malformed));
        let mut cancel = Request::Cancel { number: 7 }.encode();
        assert!(Request::decode(&cancel).is_ok());
        cancel[40] = 1;
        assert_eq!(Request::decode(&cancel), Err(Malformed));
        assert_eq!(Request::decode(&[9; REQUEST_LENGTH]), Err(Malformed));
    }
}
