//! What every run of every side uses.

use artifact_store::StoredManifest;
use bench_harness::{Scratch, write_content};
use bench_stores::{StoreServer, put_artifact};
use std::path::{Path, PathBuf};

const CONTENT_SEED: u64 = 7;
/// Files of the content's length that lie on the disk at once: the content, a store's, and a copy.
const COPIES: u64 = 3;
/// Where the content lies in every store.
pub const KEY: &str = "content";

/// The content, and a store that has it.
#[derive(Debug)]
pub struct Stage {
    scratch: Scratch,
    /// What describes the content, wherever it was put by this key.
    pub manifest: StoredManifest,
    /// Has the content, where it is to be fetched.
    pub source: Option<StoreServer>,
}

impl Stage {
    /// Writes the content, and brings it to a store; that goes away again unless it is wanted.
    pub async fn set(length: u64, with_source: bool) -> anyhow::Result<Self> {
        let scratch = Scratch::new(length * COPIES)?;
        let content = scratch.path().join("content");
        write_content(&content, length, CONTENT_SEED)?;
        let source = StoreServer::start(&scratch.path().join("source")).await?;
        let store = source.store()?;
        let manifest = put_artifact(&store, &KEY.parse()?, &content).await?;
        let source = if with_source {
            // So that no side pays for memory that the machine has not touched yet.
            let copy = scratch.path().join("copy");
            fs_err::copy(&content, &copy)?;
            fs_err::remove_file(&copy)?;
            Some(source)
        } else {
            source.end().await?;
            None
        };
        Ok(Self {
            scratch,
            manifest,
            source,
        })
    }

    /// Everything lies in here.
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// The file that is sent.
    pub fn content(&self) -> PathBuf {
        self.path().join("content")
    }
}
