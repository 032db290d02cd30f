//! The checksum that stores compare.

use crc_fast::CrcAlgorithm::Crc64Nvme;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A CRC64NVME, the checksum that S3 keeps of a whole object however it was uploaded. Finds damage,
/// not malice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Crc64(pub u64);

impl Crc64 {
    /// Of no bytes.
    pub fn empty() -> Self {
        Self::of(b"")
    }

    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(crc_fast::checksum(Crc64Nvme, bytes))
    }

    /// Of these bytes followed by `length` bytes whose checksum is `next`.
    #[must_use]
    pub fn followed_by(self, next: Self, length: u64) -> Self {
        if length == 0 {
            return self;
        }
        Self(crc_fast::checksum_combine(Crc64Nvme, self.0, next.0, length))
    }

    /// The form in S3's headers: base64 of the big-endian bytes.
    pub fn to_base64(self) -> String {
        aws_smithy_types::base64::encode(self.0.to_be_bytes())
    }

    /// Reads the form in S3's headers.
    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = aws_smithy_types::base64::decode(text).ok()?;
        Some(Self(u64::from_be_bytes(bytes.try_into().ok()?)))
    }
}

impl fmt::Display for Crc64 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl fmt::Debug for Crc64 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Crc64({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_of_parts_give_that_of_the_whole() {
        let bytes: Vec<u8> = (0..100_000u32).map(|at| (at * 7 % 251) as u8).collect();
        for cut in [0, 1, 4096, 65_535, 99_999, 100_000] {
            let (head, tail) = bytes.split_at(cut);
            let whole = Crc64::of(head).followed_by(Crc64::of(tail), tail.len() as u64);
            assert_eq!(whole, Crc64::of(&bytes), "{cut}");
        }
    }

    #[test]
    fn the_checksum_is_the_one_that_s3_documents() {
        // The check value of CRC-64/NVME.
        assert_eq!(Crc64::of(b"123456789"), Crc64(0xae8b_1486_0a79_9888));
        let crc = Crc64::of(b"123456789");
        assert_eq!(Crc64::from_base64(&crc.to_base64()), Some(crc));
    }
}
