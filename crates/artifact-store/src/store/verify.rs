//! Whether a store holds an artifact, whole.

use super::{Error, PART_LENGTH, Store, StoredManifest};
use crate::buffers::Buffers;
use artifact::Manifest;
use model::ArtifactId;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSlice;
use std::sync::Arc;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// The artifact isn't published here.
    Absent,
    /// The content is what the manifest says, by the store's own checksum or by reading it.
    Matches,
    /// Something else is there; why.
    Differs(String),
}

impl Store {
    /// Compares an artifact's content with its manifest: length and CRC64NVME as the store states them,
    /// and where it states none, by [`Self::verify_content`].
    ///
    /// # Errors
    /// Fails when the store does; a difference is not an error.
    pub async fn verify(&self, artifact: &ArtifactId) -> Result<Verification, Error> {
        match self.get_manifest(artifact).await {
            Ok(None) => Ok(Verification::Absent),
            Ok(Some(manifest)) => self.compare(&manifest).await,
            Err(Error::StoredManifest { source, .. }) => Ok(Verification::Differs(source.to_string())),
            Err(error) => Err(error),
        }
    }

    /// Reads all content of an artifact and compares every piece with its hash.
    ///
    /// # Errors
    /// Fails when the store does; a difference is not an error.
    pub async fn verify_content(&self, stored: &StoredManifest) -> Result<Verification, Error> {
        let manifest = match stored.signed.unverified() {
            Ok(manifest) => Arc::new(manifest),
            Err(error) => return Ok(Verification::Differs(error.to_string())),
        };
        let (total, key) = (manifest.total_length(), stored.content_key.object());
        let buffers = Buffers::of(PART_LENGTH);
        for start in (0..total).step_by(PART_LENGTH as usize) {
            let end = total.min(start + PART_LENGTH);
            let mut buffer = buffers.take((end - start) as usize);
            match self.read_into(&key, start, buffer.as_mut()).await {
                Ok(()) => {}
                Err(error) if error.has_code("NoSuchKey") || error.has_code("InvalidRange") => {
                    return Ok(Verification::Differs(error.to_string()));
                }
                Err(error) => return Err(error),
            }
            let manifest = manifest.clone();
            let wrong =
                tokio::task::spawn_blocking(move || first_wrong_piece(&manifest, start, buffer.as_ref()));
            if let Some(piece) = wrong.await? {
                return Ok(Verification::Differs(format!(
                    "piece {piece} does not match its hash"
                )));
            }
        }
        Ok(Verification::Matches)
    }

    /// The same for a manifest that was read already.
    ///
    /// # Errors
    /// Fails when the store does; a difference is not an error.
    pub async fn compare(&self, manifest: &StoredManifest) -> Result<Verification, Error> {
        let Some(head) = self.head(&manifest.content_key.object()).await? else {
            return Ok(Verification::Differs("the content is missing".to_owned()));
        };
        if head.length != manifest.total {
            let reason = format!("the content has {} bytes, not {}", head.length, manifest.total);
            return Ok(Verification::Differs(reason));
        }
        match head.crc64nvme {
            Some(found) if found == manifest.crc64nvme => Ok(Verification::Matches),
            Some(found) => {
                let reason = format!("the content's CRC64NVME is {found}, not {}", manifest.crc64nvme);
                Ok(Verification::Differs(reason))
            }
            None => self.verify_content(manifest).await,
        }
    }
}

/// `start` is where `bytes` begin in the content, at a multiple of the piece length.
pub(super) fn first_wrong_piece(manifest: &Manifest, start: u64, bytes: &[u8]) -> Option<u32> {
    let length = manifest.piece_length() as usize;
    let first = (start / length as u64) as u32;
    let pieces = bytes.par_chunks(length).enumerate();
    pieces
        .map(|(at, bytes)| (first + at as u32, bytes))
        .find_first(|(piece, bytes)| !manifest.verify_piece(*piece, bytes))
        .map(|(piece, _)| piece)
}
