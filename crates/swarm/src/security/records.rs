//! Records of TLS 1.3 (RFC 8446, section 5), under keys that a handshake has agreed on. No I/O.
//!
//! rustls has a record layer too, and everything but the bulk plane uses it. There every byte is copied into a buffer
//! of its record before it is encrypted, and out of one, through a second, once it is decrypted. Here it is encrypted
//! from where it lies into what the socket is given, and decrypted from what the socket gave into its piece. Keys,
//! ciphers and their use are rustls's and aws-lc-rs's; ours is only the place of the bytes.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use rustls::ConnectionTrafficSecrets;
use rustls::crypto::cipher::{self, Iv, make_tls13_aad};
use std::fmt;

/// The most plaintext of a record, in bytes.
pub(crate) const PLAIN_MAX: usize = 1 << 14;
/// The length of a record's header.
pub(crate) const HEADER_LENGTH: usize = 5;
/// What is encrypted behind the plaintext: the record's type, and the proof that nobody changed it.
const TYPE_LENGTH: usize = 1;
const TAG_LENGTH: usize = 16;
/// What a record is longer than its plaintext.
pub(crate) const OVERHEAD: usize = HEADER_LENGTH + TYPE_LENGTH + TAG_LENGTH;
/// The longest record of a peer behind its header, in bytes (RFC 8446, section 5.2).
pub(crate) const SEALED_MAX: usize = PLAIN_MAX + 256;
/// Records that are sealed with one key: rustls's limit for AES-GCM, below that of RFC 8446, section 5.5. They carry
/// 256 GiB; whoever needs more opens another connection.
const RECORDS_MAX: u64 = 1 << 24;

/// The types of a record (RFC 8446, appendix B.1).
const ALERT: u8 = 21;
const APPLICATION_DATA: u8 = 23;

/// Why a record can't be sent or understood. Nothing more of its connection is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// The two ends agreed on what this node never offers.
    #[error("the cipher is unknown")]
    Cipher,
    /// Enough was sent with this key.
    #[error("the connection has carried as much as one may")]
    Exhausted,
    /// A peer that speaks something else.
    #[error("a record is none of TLS 1.3")]
    Malformed,
    /// Somebody on the way, or a peer that speaks something else.
    #[error("a record was changed on its way")]
    Changed,
    /// Handshakes are over.
    #[error("a record carries no data")]
    NoData,
}

/// A key, and what makes each use of it different.
struct Key {
    key: LessSafeKey,
    iv: Iv,
    sequence: u64,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a key after {} records", self.sequence)
    }
}

impl Key {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Self, Broken> {
        let with = |algorithm: &'static Algorithm, key: &[u8], iv| {
            let key = UnboundKey::new(algorithm, key).map_err(|_| Broken::Cipher)?;
            Ok(Self {
                key: LessSafeKey::new(key),
                iv,
                sequence,
            })
        };
        match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => with(&AES_128_GCM, key.as_ref(), iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => with(&AES_256_GCM, key.as_ref(), iv),
            _ => Err(Broken::Cipher),
        }
    }

    /// What no other record has had or will have.
    fn next_nonce(&mut self) -> Nonce {
        let nonce = cipher::Nonce::new(&self.iv, self.sequence);
        self.sequence += 1;
        Nonce::assume_unique_for_key(nonce.0)
    }
}

/// What encrypts one direction of a connection.
#[derive(Debug)]
pub(crate) struct Sealer(Key);

impl Sealer {
    pub(crate) fn new(secrets: (u64, ConnectionTrafficSecrets)) -> Result<Self, Broken> {
        Key::new(secrets).map(Self)
    }

    /// Encrypts up to [`PLAIN_MAX`] bytes into a record, which is [`OVERHEAD`] bytes longer.
    ///
    /// # Errors
    ///
    /// [`Broken::Exhausted`].
    pub(crate) fn seal(&mut self, plain: &[u8], record: &mut [u8]) -> Result<(), Broken> {
        if self.0.sequence >= RECORDS_MAX {
            return Err(Broken::Exhausted);
        }
        let header = make_tls13_aad(record.len() - HEADER_LENGTH);
        let (place, sealed) = record.split_at_mut(HEADER_LENGTH);
        place.copy_from_slice(&header);
        let (sealed, end) = sealed.split_at_mut(plain.len());
        let nonce = self.0.next_nonce();
        let key = &self.0.key;
        key.seal_out_of_place_scatter(nonce, Aad::from(header), plain, sealed, &[APPLICATION_DATA], end)
            .map_err(|_| Broken::Malformed)
    }
}

/// What decrypts one direction of a connection.
#[derive(Debug)]
pub(crate) struct Opener(Key);

/// What a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    /// So many bytes.
    Data(usize),
    /// The far end ends the connection.
    End,
}

impl Opener {
    pub(crate) fn new(secrets: (u64, ConnectionTrafficSecrets)) -> Result<Self, Broken> {
        Key::new(secrets).map(Self)
    }

    /// The length of a record behind its header.
    ///
    /// # Errors
    ///
    /// [`Broken::Malformed`].
    pub(crate) fn sealed_length(header: [u8; HEADER_LENGTH]) -> Result<usize, Broken> {
        // The version says nothing (RFC 8446, section 5.1).
        let [kind, _, _, high, low] = header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let fits = (TYPE_LENGTH + TAG_LENGTH..=SEALED_MAX).contains(&length);
        if kind == APPLICATION_DATA && fits {
            Ok(length)
        } else {
            Err(Broken::Malformed)
        }
    }

    /// The room that [`Self::open`] needs for a record of this length: one byte more than it has plaintext, at least.
    pub(crate) fn room(sealed_length: usize) -> usize {
        sealed_length.saturating_sub(TAG_LENGTH)
    }

    /// Decrypts what is behind a record's header to the beginning of a room for it, whose rest holds anything then. What
    /// stands there after an error is nobody's word.
    ///
    /// # Errors
    ///
    /// All but [`Broken::Exhausted`].
    pub(crate) fn open(&mut self, sealed: &[u8], room: &mut [u8]) -> Result<Opened, Broken> {
        let header = make_tls13_aad(sealed.len());
        let (sealed, tag) = sealed.split_last_chunk::<TAG_LENGTH>().ok_or(Broken::Malformed)?;
        let plain = room.get_mut(..sealed.len()).ok_or(Broken::Malformed)?;
        let nonce = self.0.next_nonce();
        let key = &self.0.key;
        key.open_separate_gather(nonce, Aad::from(header), sealed, tag, plain)
            .map_err(|_| Broken::Changed)?;
        // Zeros behind the type pad the record.
        let end = plain
            .iter()
            .rposition(|&byte| byte != 0)
            .ok_or(Broken::Malformed)?;
        match plain[end] {
            APPLICATION_DATA if end <= PLAIN_MAX => Ok(Opened::Data(end)),
            ALERT => Ok(Opened::End),
            _ => Err(Broken::NoData),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustls::crypto::cipher::AeadKey;

    fn keys() -> (Sealer, Opener) {
        let secrets = || ConnectionTrafficSecrets::Aes256Gcm {
            key: AeadKey::from([7; 32]),
            iv: Iv::from([9; 12]),
        };
        (
            Sealer::new((5, secrets())).unwrap(),
            Opener::new((5, secrets())).unwrap(),
        )
    }

    fn sealed(sealer: &mut Sealer, plain: &[u8]) -> Vec<u8> {
        let mut record = vec![0xAA; plain.len() + OVERHEAD];
        sealer.seal(plain, &mut record).unwrap();
        record
    }

    fn opened(opener: &mut Opener, record: &[u8]) -> Result<Vec<u8>, Broken> {
        let (header, sealed) = record.split_first_chunk().unwrap();
        assert_eq!(Opener::sealed_length(*header)?, sealed.len());
        let mut room = vec![0xBB; Opener::room(sealed.len())];
        match opener.open(sealed, &mut room)? {
            Opened::Data(length) => room.truncate(length),
            Opened::End => room.clear(),
        }
        Ok(room)
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened_in_order_and_nothing_else(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 1..4),
            at: prop::sample::Index,
            flip in 1..=255_u8,
        ) {
            let (mut sealer, mut opener) = keys();
            let mut last = Vec::new();
            for part in &parts {
                last = sealed(&mut sealer, part);
                prop_assert_eq!(&opened(&mut opener, &last).unwrap(), part);
            }
            // Not once more, and not when it was changed.
            prop_assert_eq!(opened(&mut opener, &last), Err(Broken::Changed));
            let (mut sealer, mut opener) = keys();
            let mut record = sealed(&mut sealer, &parts[0]);
            let at = HEADER_LENGTH + at.index(record.len() - HEADER_LENGTH);
            record[at] ^= flip;
            prop_assert_eq!(opened(&mut opener, &record), Err(Broken::Changed));
        }

        #[test]
        fn any_bytes_are_refused(header: [u8; HEADER_LENGTH], sealed: Vec<u8>) {
            let _ = Opener::sealed_length(header);
            let (_, mut opener) = keys();
            prop_assert!(opener.open(&sealed, &mut vec![0; sealed.len()]).is_err());
        }
    }

    #[test]
    fn headers_of_other_records_are_malformed() {
        for header in [[22, 3, 3, 0, 40], [23, 3, 3, 0, 16], [23, 3, 3, 0x41, 0x01]] {
            assert_eq!(
                Opener::sealed_length(header),
                Err(Broken::Malformed),
                "{header:?}"
            );
        }
        assert_eq!(Opener::sealed_length([23, 3, 1, 0x41, 0]), Ok(SEALED_MAX));
    }

    #[test]
    fn a_key_is_used_no_more_often_than_it_may() {
        let (mut sealer, _) = keys();
        sealer.0.sequence = RECORDS_MAX - 1;
        let mut record = [0; OVERHEAD];
        assert_eq!(sealer.seal(&[], &mut record), Ok(()));
        assert_eq!(sealer.seal(&[], &mut record), Err(Broken::Exhausted));
    }
}
