//! Bytes that arrive become a blob.

use super::backend::{blocking, internal};
use super::checksums::{Asserted, Checker};
use super::folder::{BucketFolder, remove_file, sync_parent};
use super::record::{Blob, PartRecord};
use bytes::Bytes;
use fs_err as fs;
use futures::StreamExt;
use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};
use std::io::Write;
use std::path::PathBuf;
use uuid::Uuid;

/// The most bytes of one part or one put (S3's own limit).
const LENGTH_MAX: u64 = 5 << 30;
/// So many bytes are gathered before the disk is asked to take them.
const WRITE_LENGTH: usize = 1 << 20;

/// A file that no record names yet; it is removed when this is dropped, unless it was kept.
#[derive(Debug)]
pub(super) struct Unnamed(Option<PathBuf>);

impl Unnamed {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Some(path))
    }

    /// A record names it now.
    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            remove_file(&path);
        }
    }
}

/// A blob that is written and synced, and the record that will name it.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) record: PartRecord,
    pub(super) file: Unnamed,
}

struct Writer {
    file: fs::File,
    unnamed: Unnamed,
    checker: Checker,
    length: u64,
}

impl Writer {
    fn create(path: PathBuf, checker: Checker) -> S3Result<Self> {
        Ok(Self {
            file: fs::File::create_new(&path).map_err(internal)?,
            unnamed: Unnamed::new(path),
            checker,
            length: 0,
        })
    }

    fn write(&mut self, chunks: &[Bytes]) -> S3Result<()> {
        for chunk in chunks {
            self.file.write_all(chunk).map_err(internal)?;
            self.checker.update(chunk);
            self.length += chunk.len() as u64;
        }
        if self.length > LENGTH_MAX {
            return Err(s3_error!(EntityTooLarge));
        }
        Ok(())
    }

    fn finish(self, name: Uuid, asserted: &Asserted) -> S3Result<Draft> {
        let crc64nvme = self.checker.finish(asserted)?;
        self.file.sync_all().map_err(internal)?;
        sync_parent(self.file.path()).map_err(internal)?;
        let blob = Blob {
            file: name,
            length: self.length,
        };
        Ok(Draft {
            record: PartRecord::of(blob, crc64nvme),
            file: self.unnamed,
        })
    }
}

/// Writes a body to a new blob, synced, and checks what the client asserts of it. A client that goes
/// away, like every error, leaves no file.
pub(super) async fn receive(
    place: BucketFolder,
    body: Option<StreamingBlob>,
    asserted: Asserted,
) -> S3Result<Draft> {
    let name = Uuid::now_v7();
    let checker = Checker::new(&asserted);
    let mut writer = blocking(move || Writer::create(place.blob(name), checker)).await?;
    if let Some(mut body) = body {
        let mut ended = false;
        while !ended {
            let chunks;
            (chunks, ended) = gather(&mut body).await?;
            writer = blocking(move || writer.write(&chunks).map(|()| writer)).await?;
        }
    }
    blocking(move || writer.finish(name, &asserted)).await
}

/// The next bytes of a body, about [`WRITE_LENGTH`], and whether it ended.
async fn gather(body: &mut StreamingBlob) -> S3Result<(Vec<Bytes>, bool)> {
    let (mut chunks, mut length) = (Vec::new(), 0);
    while length < WRITE_LENGTH {
        match body.next().await {
            Some(Ok(chunk)) => {
                length += chunk.len();
                chunks.push(chunk);
            }
            Some(Err(error)) => return Err(s3_error!(IncompleteBody, "the body broke off: {error}")),
            None => return Ok((chunks, true)),
        }
    }
    Ok((chunks, false))
}
