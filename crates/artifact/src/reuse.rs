//! Which pieces of an artifact another artifact on the same disk may hold already.
//!
//! A piece may be there when every file that it runs through is in the other artifact too, at the same
//! path, with bytes at the same offsets. Whether they are the same bytes, two hashes can tell without a
//! look at the disk, where the piece covers the very same place in both: a piece's hash depends on its
//! bytes and on where they lie in the content, so equal hashes mean equal bytes, and different ones
//! different bytes. Where a file before it grew or shrank, pieces are cut elsewhere and only reading tells.
//!
//! Pure. Whoever copies must verify what was copied against the new manifest: this says where to look,
//! never what is true.

use crate::files::Segment;
use crate::manifest::Manifest;
use std::ops::Range;

/// A piece of the new artifact, and where the old one may have its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which piece of the new artifact.
    pub piece: u32,
    /// Where to read it, in order, in files of the old artifact.
    pub segments: Vec<Segment>,
}

/// The pieces of `new` that `old` may hold, in order. Holds one piece's segments in memory.
pub fn reusable<'a>(new: &'a Manifest, old: &'a Manifest) -> impl Iterator<Item = Candidate> + 'a {
    let twins = twins(new, old);
    // The only piece of an artifact has the root's hash, which is another one.
    let comparable = (new.piece_count() == 1) == (old.piece_count() == 1);
    (0..new.piece_count()).filter_map(move |piece| {
        let range = new.piece_range(piece);
        let segments = find(new, old, &twins, range.clone())?;
        let same_place = old.piece_range(piece) == range && old.segments(range).eq(segments.iter().copied());
        let ruled_out = comparable && same_place && new.piece_hash(piece) != old.piece_hash(piece);
        (!ruled_out).then_some(Candidate { piece, segments })
    })
}

/// For every file of `new`, the file of `old` with the same path.
fn twins(new: &Manifest, old: &Manifest) -> Vec<Option<usize>> {
    let files = new.files().iter();
    let twin = |path| old.files().binary_search_by(|file| file.path.cmp(path)).ok();
    files.map(|file| twin(&file.path)).collect()
}

/// A range of the new content in the files of the old artifact, if all of it can be there.
fn find(new: &Manifest, old: &Manifest, twins: &[Option<usize>], range: Range<u64>) -> Option<Vec<Segment>> {
    let here = new.segments(range);
    here.map(|segment| {
        let twin = twins[segment.file]?;
        let fits = segment.offset + segment.length <= old.files()[twin].length;
        fits.then_some(Segment {
            file: twin,
            ..segment
        })
    })
    .collect()
}
