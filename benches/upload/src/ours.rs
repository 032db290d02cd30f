//! Our side: what a worker does with what it built, and the way back.

use anyhow::{Context as _, bail};
use artifact_store::StoredManifest;
use bench_stores::{client, content_of_one_file, sender, sign, verify};
use std::path::Path;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The part `up` with the arguments ENDPOINT FILE KEY.
pub fn up(arguments: &[String]) -> anyhow::Result<()> {
    let [endpoint, file, key] = arguments else {
        bail!("an upload is told to where, of what, and by which name")
    };
    let outputs = content_of_one_file(Path::new(file))?;
    runtime()?.block_on(async {
        let store = client(endpoint)?;
        let (progress, stop) = (watch::Sender::new(0), CancellationToken::new());
        let uploaded = store
            .upload(&sender()?, &key.parse()?, outputs, progress, stop)
            .await?;
        let manifest = StoredManifest {
            signed: sign(&uploaded.manifest),
            total: uploaded.manifest.total_length(),
            content_key: uploaded.content_key,
            crc64nvme: uploaded.crc64nvme,
        };
        Ok(store.put_manifest(&manifest).await?)
    })
}

/// The part `down` with the arguments ENDPOINT ARTIFACT FOLDER.
pub fn down(arguments: &[String]) -> anyhow::Result<()> {
    let [endpoint, artifact, folder] = arguments else {
        bail!("a download is told from where, what, and to where")
    };
    runtime()?.block_on(async {
        let store = client(endpoint)?;
        let stored = store.get_manifest(&artifact.parse()?).await?;
        let stored = stored.context("the artifact is in the store")?;
        let manifest = verify(&stored.signed)?;
        Ok(store
            .download(&stored.content_key, manifest, Path::new(folder))
            .await?)
    })
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
