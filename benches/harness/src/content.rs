//! Content for benches: bytes that nothing can shorten.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

/// How much is written at once, in bytes.
const CHUNK: usize = 1 << 20;

/// Writes a file of `length` bytes that look random; the same seed gives the same bytes.
///
/// # Errors
/// When the disk fails.
pub fn write_content(path: &Path, length: u64, seed: u64) -> std::io::Result<()> {
    let mut source = ChaCha8Rng::seed_from_u64(seed);
    let mut file = File::create(path)?;
    let mut chunk = vec![0; CHUNK];
    let mut left = length;
    while left > 0 {
        // At most CHUNK, which fits.
        let now = left.min(CHUNK as u64) as usize;
        source.fill_bytes(&mut chunk[..now]);
        file.write_all(&chunk[..now])?;
        left -= now as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_has_its_length_and_repeats_with_its_seed() {
        let path = std::env::temp_dir().join(format!("starling-content-{}", std::process::id()));
        let written = |seed| {
            write_content(&path, (CHUNK + 7) as u64, seed).unwrap();
            std::fs::read(&path).unwrap()
        };
        let (first, again, other) = (written(1), written(1), written(2));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(first.len(), CHUNK + 7);
        assert_eq!(first, again);
        assert_ne!(first, other);
    }
}
