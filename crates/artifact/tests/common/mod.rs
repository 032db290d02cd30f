//! Builders that the tests share.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

use artifact::{FileEntry, Manifest, ManifestBuilder, Provenance};

pub fn provenance() -> Provenance {
    Provenance {
        repository: "murmuration".parse().unwrap(),
        commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
        target: "//wing:feather".parse().unwrap(),
    }
}

pub fn entry(path: &str, length: u64) -> FileEntry {
    FileEntry {
        path: path.parse().unwrap(),
        executable: false,
        length,
    }
}

pub fn build(files: Vec<FileEntry>, content: &[u8]) -> Manifest {
    let builder = ManifestBuilder::new(files, provenance()).unwrap();
    let layout = builder.layout();
    let hashes = (0..layout.piece_count())
        .map(|piece| {
            let range = layout.piece_range(piece);
            let bytes = &content[range.start as usize..range.end as usize];
            layout.hash_piece(piece, bytes).unwrap()
        })
        .collect();
    builder.finish(hashes).unwrap()
}
