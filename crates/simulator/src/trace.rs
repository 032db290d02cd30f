//! A hash over everything that happened, so that two runs can be compared to the bit.

/// FNV-1a over 64-bit words: short, and the same on every machine and in every version.
#[derive(Debug, Clone, Copy)]
pub struct Trace(u64);

impl Trace {
    pub fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub fn add(&mut self, words: &[u64]) {
        for word in words {
            self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
            self.0 ^= self.0 >> 32;
        }
    }

    pub fn hash(self) -> u64 {
        self.0
    }
}
