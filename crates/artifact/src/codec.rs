//! The manifest's encoding: a magic, a version, a postcard header, then one postcard record a file.
//!
//! The header names every count before anything is read that depends on it, and all that is decoded
//! borrows from the input until it has been checked, so a hostile manifest costs no memory.

use crate::files::{FileEntry, FileTable};
use crate::layout::{Layout, PieceHash};
use crate::manifest::{InvalidManifest, Manifest, Provenance};
use crate::path::ArtifactPath;
use crate::{FILES_MAX, MANIFEST_LENGTH_MAX};
use serde::{Deserialize, Serialize};

const MAGIC: &[u8] = b"starling-manifest";
const VERSION: u8 = 1;
/// The smallest record: a path of one letter with its length, a flag and a length.
const FILE_RECORD_LENGTH_MIN: usize = 4;

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    repository: &'a str,
    commit: &'a str,
    target: &'a str,
    piece_length: u32,
    /// 32 bytes a piece.
    piece_hashes: &'a [u8],
    files: u64,
}

#[derive(Serialize, Deserialize)]
struct FileRecord<'a> {
    path: &'a str,
    executable: bool,
    length: u64,
}

pub(crate) fn encode(
    provenance: &Provenance,
    files: &[FileEntry],
    piece_length: u32,
    pieces: &[PieceHash],
) -> Vec<u8> {
    let hashes: Vec<u8> = pieces.iter().flat_map(|piece| piece.0).collect();
    let header = Header {
        repository: provenance.repository.as_str(),
        commit: provenance.commit.as_str(),
        target: provenance.target.as_str(),
        piece_length,
        piece_hashes: &hashes,
        files: files.len() as u64,
    };
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    append(&mut bytes, &header);
    for file in files {
        append(
            &mut bytes,
            &FileRecord {
                path: file.path.as_str(),
                executable: file.executable,
                length: file.length,
            },
        );
    }
    bytes
}

fn append(bytes: &mut Vec<u8>, record: &impl Serialize) {
    // Proof: a vector takes whatever is written to it, and both records are of types that postcard knows.
    *bytes = postcard::to_extend(record, std::mem::take(bytes)).expect("a record is written to memory");
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Manifest, InvalidManifest> {
    if bytes.len() > MANIFEST_LENGTH_MAX {
        return Err(InvalidManifest::TooLong);
    }
    let (version, body) = bytes
        .strip_prefix(MAGIC)
        .and_then(<[u8]>::split_first)
        .ok_or(InvalidManifest::Magic)?;
    if *version != VERSION {
        return Err(InvalidManifest::Version(*version));
    }
    let (header, records) =
        postcard::take_from_bytes::<Header<'_>>(body).map_err(InvalidManifest::Encoding)?;
    let files = FileTable::new(decode_files(header.files, records)?)?;
    let layout = Layout::stated(files.total_length(), header.piece_length)
        .ok_or(InvalidManifest::PieceLength(header.piece_length))?;
    let (hashes, rest) = header.piece_hashes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(InvalidManifest::Encoding(postcard::Error::SerdeDeCustom));
    }
    let provenance = decode_provenance(&header)?;
    let pieces = hashes.iter().copied().map(PieceHash).collect();
    let manifest = Manifest::assemble(provenance, files, layout, pieces)?;
    // Numbers may be written with more digits than they need, and bytes may follow the last file;
    // neither comes out again.
    if manifest.id().0 != *blake3::hash(bytes).as_bytes() {
        return Err(InvalidManifest::NotCanonical);
    }
    Ok(manifest)
}

fn decode_files(count: u64, mut records: &[u8]) -> Result<Vec<FileEntry>, InvalidManifest> {
    if count > FILES_MAX as u64 {
        return Err(InvalidManifest::TooManyFiles(count));
    }
    if count > (records.len() / FILE_RECORD_LENGTH_MIN) as u64 {
        return Err(InvalidManifest::Encoding(
            postcard::Error::DeserializeUnexpectedEnd,
        ));
    }
    let mut files = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (record, rest) =
            postcard::take_from_bytes::<FileRecord<'_>>(records).map_err(InvalidManifest::Encoding)?;
        files.push(FileEntry {
            path: ArtifactPath::new(record.path)?,
            executable: record.executable,
            length: record.length,
        });
        records = rest;
    }
    Ok(files)
}

fn decode_provenance(header: &Header<'_>) -> Result<Provenance, InvalidManifest> {
    let refused = InvalidManifest::Provenance;
    Ok(Provenance {
        repository: header.repository.parse().map_err(|_| refused("repository"))?,
        commit: header.commit.parse().map_err(|_| refused("commit"))?,
        target: header.target.parse().map_err(|_| refused("target"))?,
    })
}
