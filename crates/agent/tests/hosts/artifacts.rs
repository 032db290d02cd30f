//! Real programs, packed as artifacts.

use artifact::{FileEntry, Manifest, ManifestBuilder, Provenance, SigningKey};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// An artifact whose files lie in a folder.
#[derive(Debug)]
pub struct Packed {
    pub manifest: Manifest,
    pub folder: PathBuf,
}

/// The workspace's own small HTTP service, compiled once.
pub fn beacon() -> &'static [u8] {
    static BEACON: OnceLock<Vec<u8>> = OnceLock::new();
    BEACON.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("beacon");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../beacon/src/main.rs");
        let status = Command::new("rustc")
            .args(["--edition", "2024", "-o"])
            .arg(&program)
            .arg(&source)
            .status();
        assert!(status.unwrap().success());
        std::fs::read(program).unwrap()
    })
}

/// Packs `bin/run`, which is executable, and `note`, which makes this artifact different from others.
pub fn pack(parent: &Path, program: &[u8], note: &str) -> Packed {
    let folder = parent.join(format!("packed-{note}"));
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    std::fs::write(folder.join("bin/run"), program).unwrap();
    std::fs::set_permissions(folder.join("bin/run"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(folder.join("note"), note).unwrap();
    let entry = |path: &str, executable, length: usize| FileEntry {
        path: path.parse().unwrap(),
        executable,
        length: length as u64,
    };
    let files = vec![
        entry("bin/run", true, program.len()),
        entry("note", false, note.len()),
    ];
    let provenance = Provenance {
        repository: "starling".parse().unwrap(),
        commit: "0".repeat(40).parse().unwrap(),
        target: "//a:b".parse().unwrap(),
    };
    let builder = ManifestBuilder::new(files, provenance).unwrap();
    let content = [program, note.as_bytes()].concat();
    let pieces = content.chunks(builder.piece_length() as usize);
    let hashes = pieces
        .zip(0..)
        .map(|(bytes, piece)| builder.hash_piece(piece, bytes).unwrap())
        .collect();
    Packed {
        manifest: builder.finish(hashes).unwrap(),
        folder,
    }
}

/// A key that nobody else has.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::generate([seed; 32])
}
