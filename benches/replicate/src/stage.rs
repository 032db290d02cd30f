//! The stores.

use anyhow::ensure;
use artifact_store::{StoredManifest, Verification};
use bench_harness::{Scratch, settle, write_content};
use bench_stores::{StoreServer, put_artifact};
use std::path::Path;

/// As an operator might have them.
pub const REGIONS: [&str; 5] = ["us-east-1", "us-west-2", "eu-west-1", "ap-south-1", "sa-east-1"];
const CONTENT_SEED: u64 = 7;
/// Where the content lies in the main store.
const KEY: &str = "content";

/// The main store, which has the artifact.
#[derive(Debug)]
pub struct Stage {
    scratch: Scratch,
    pub main: StoreServer,
    pub manifest: StoredManifest,
}

impl Stage {
    /// Makes the artifact and brings it to the main store.
    pub async fn set(length: u64) -> anyhow::Result<Self> {
        let scratch = Scratch::new(length * (REGIONS.len() as u64 + 2))?;
        let content = scratch.path().join("content");
        write_content(&content, length, CONTENT_SEED)?;
        let main = StoreServer::start(&scratch.path().join("main")).await?;
        let store = main.store()?;
        let manifest = put_artifact(&store, &KEY.parse()?, &content).await?;
        fs_err::remove_file(&content)?;
        Ok(Self {
            scratch,
            main,
            manifest,
        })
    }

    /// Everything lies in here.
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// The object's key in the main store, for whoever knows nothing of artifacts.
    pub fn key(&self) -> String {
        format!("content/{KEY}")
    }

    /// Empty stores, one a region.
    pub async fn regions(&self) -> anyhow::Result<Vec<StoreServer>> {
        let mut servers = Vec::new();
        for region in REGIONS {
            servers.push(StoreServer::start(&self.path().join(region)).await?);
        }
        settle();
        Ok(servers)
    }

    /// Sees that each region has the artifact, and ends them. Where `name_it`, a manifest tells first where whoever
    /// knows nothing of artifacts has put the content.
    pub async fn check(&self, regions: Vec<StoreServer>, name_it: bool) -> anyhow::Result<()> {
        for server in regions {
            let store = server.store()?;
            if name_it {
                store.put_manifest(&self.manifest).await?;
            }
            let found = store.verify(&self.manifest.signed.artifact()).await?;
            ensure!(
                found == Verification::Matches,
                "a region has something else: {found:?}"
            );
            server.end().await?;
        }
        Ok(())
    }
}
