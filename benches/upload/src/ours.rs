//! Our side: what a worker does with what it built, and the way back.

use anyhow::{Context as _, bail};
use bench_stores::{client, put_artifact, verify};
use std::path::Path;

/// The part `up` with the arguments ENDPOINT FILE KEY.
pub fn up(arguments: &[String]) -> anyhow::Result<()> {
    let [endpoint, file, key] = arguments else {
        bail!("an upload is told to where, of what, and by which name")
    };
    runtime()?.block_on(async {
        let (store, key) = (client(endpoint)?, key.parse()?);
        put_artifact(&store, &key, Path::new(file)).await.map(drop)
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
