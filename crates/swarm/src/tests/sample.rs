//! Artifacts for tests.

use crate::PieceSource;
use artifact::{
    ArtifactPath, FileEntry, Manifest, ManifestBuilder, Provenance, SigningKey, TrustedKeys, VerifiedManifest,
};
use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::io;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An artifact and its bytes.
pub struct Sample {
    pub manifest: VerifiedManifest,
    pub content: Bytes,
}

impl Sample {
    /// Files of these paths, lengths and modes, with random bytes.
    pub fn new(files: &[(&str, u64, bool)]) -> Self {
        let entries = files.iter().map(|&(path, length, executable)| FileEntry {
            path: ArtifactPath::new(path).unwrap(),
            executable,
            length,
        });
        let entries: Vec<FileEntry> = entries.collect();
        let length: u64 = entries.iter().map(|entry| entry.length).sum();
        let mut content = vec![0; length as usize];
        SmallRng::seed_from_u64(7).fill_bytes(&mut content);
        Self::of(entries, content)
    }

    fn of(entries: Vec<FileEntry>, content: Vec<u8>) -> Self {
        let builder = ManifestBuilder::new(entries, provenance()).unwrap();
        let layout = builder.layout();
        let hashes = (0..layout.piece_count()).map(|piece| {
            let range = layout.piece_range(piece);
            layout
                .hash_piece(piece, &content[range.start as usize..range.end as usize])
                .unwrap()
        });
        let manifest = builder.finish(hashes.collect()).unwrap();
        Self {
            manifest: sign(&manifest),
            content: content.into(),
        }
    }

    /// The next release, in which one file is another.
    pub fn with_changed(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let (mut entries, mut content) = (self.manifest.files().to_vec(), Vec::new());
        let (mut rest, mut change) = (&self.content[..], Some(change));
        for entry in &mut entries {
            let (now, later) = rest.split_at(entry.length as usize);
            let mut bytes = now.to_vec();
            if entry.path.as_str() == path {
                change.take().unwrap()(&mut bytes);
                entry.length = bytes.len() as u64;
            }
            content.append(&mut bytes);
            rest = later;
        }
        assert!(change.is_none(), "there is no {path}");
        Self::of(entries, content)
    }

    /// Many files, some empty, some small, some larger than pieces, some executable.
    pub fn mixed(length: u64) -> Self {
        Self::new(&[
            ("bin/program", length / 2, true),
            ("bin/tool", 10, true),
            ("empty", 0, false),
            ("lib/deep/down/a.so", length / 4 + 1, false),
            ("lib/deep/down/b.so", 65_536, false),
            ("lib/empty", 0, true),
            ("share/data", length / 4, false),
            ("zone", 1, false),
        ])
    }

    /// The whole artifact as a remote source.
    pub fn source(&self) -> Arc<Memory> {
        Arc::new(Memory {
            content: self.content.clone(),
            read_bytes: AtomicU64::new(0),
        })
    }

    pub fn write_to(&self, folder: &Path) {
        let mut rest = &self.content[..];
        for file in self.manifest.files() {
            let path = folder.join(file.path.as_str());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let (now, later) = rest.split_at(file.length as usize);
            std::fs::write(path, now).unwrap();
            rest = later;
        }
    }

    /// Every file is there, byte for byte, with its mode, and there is nothing else.
    pub fn assert_in(&self, folder: &Path) {
        let mut rest = &self.content[..];
        for file in self.manifest.files() {
            let path = folder.join(file.path.as_str());
            let (now, later) = rest.split_at(file.length as usize);
            assert!(std::fs::read(&path).unwrap() == now, "{path:?} differs");
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, if file.executable { 0o755 } else { 0o644 }, "{path:?}");
            rest = later;
        }
        assert_eq!(count_files(folder), self.manifest.files().len());
    }
}

fn count_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { count_files(&path) } else { 1 })
        .sum()
}

pub fn provenance() -> Provenance {
    Provenance {
        repository: "r".parse().unwrap(),
        commit: "a".repeat(40).parse().unwrap(),
        target: "//:t".parse().unwrap(),
    }
}

pub fn sign(manifest: &Manifest) -> VerifiedManifest {
    let key = SigningKey::generate([1; 32]);
    TrustedKeys::new([key.public()])
        .unwrap()
        .verify(&key.sign(manifest, artifact::BuildRun::default()).unwrap())
        .unwrap()
}

/// A remote source that counts what is read of it.
pub struct Memory {
    content: Bytes,
    read_bytes: AtomicU64,
}

impl Memory {
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }
}

#[async_trait::async_trait]
impl PieceSource for Memory {
    async fn read(&self, _: u32, range: Range<u64>) -> io::Result<Bytes> {
        self.read_bytes
            .fetch_add(range.end - range.start, Ordering::Relaxed);
        Ok(self.content.slice(range.start as usize..range.end as usize))
    }
}
