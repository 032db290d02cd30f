//! How content is cut into parts.

use super::PART_LENGTH;
use std::ops::Range;

/// Part numbers, counted from 1, and what each covers. Uploads, copies and reads cut alike, so that a server that keeps
/// parts as they came can share them.
pub(super) fn parts(total: u64) -> impl Iterator<Item = (i32, Range<u64>)> {
    (0..total.div_ceil(PART_LENGTH)).map(move |part| {
        let start = part * PART_LENGTH;
        // At most CONTENT_LENGTH_MAX / PART_LENGTH = 4096 parts.
        (part as i32 + 1, start..total.min(start + PART_LENGTH))
    })
}
