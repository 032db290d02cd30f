//! Our side: nodes of a swarm.

use crate::parts::{Part, order, say};
use crate::stage;
use anyhow::Context as _;
use model::host::Neighbour;
use swarm::{Config, Handle, Role, Source, Swarm};
use tokio_util::sync::CancellationToken;

/// Runs something beside a node.
fn with_node<F>(config: Config, work: impl FnOnce(Handle) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    // As many threads as `starling` has.
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        // Nobody calls.
        let (handle, _calls, swarm) = Swarm::start(config).await?;
        let stop = CancellationToken::new();
        let running = tokio::spawn(swarm.run(stop.clone()));
        let worked = work(handle).await;
        stop.cancel();
        running.await?;
        worked
    })
}

/// Serves the content from its folder, and says where: `PEER ADDRESS`.
pub fn seed(part: &Part) -> anyhow::Result<()> {
    let (stage, manifest) = (&part.stage, stage::manifest(&part.stage)?);
    let folder = stage::content(stage)
        .parent()
        .context("it lies in a folder")?
        .to_owned();
    with_node(stage::node(stage, "seed", Role::Manager)?, async |handle| {
        handle.serve(manifest, Source::Folder(folder)).await?;
        let address = handle.addresses().first().context("it listens")?;
        say(&format!("{} {address}", handle.local_peer()))?;
        tokio::task::spawn_blocking(order).await??;
        Ok(())
    })
}

/// Says where it is, hears who its neighbours are (`PEER ADDRESS` of each, in one line), waits until it is
/// connected, then fetches when it is told to.
pub fn host(part: &Part) -> anyhow::Result<()> {
    let name = part
        .folder
        .file_name()
        .and_then(|name| name.to_str())
        .context("a folder has a name")?;
    let manifest = stage::manifest(&part.stage)?;
    with_node(stage::node(&part.stage, name, Role::Host)?, async |handle| {
        let address = handle.addresses().first().context("it listens")?;
        say(&format!("{} {address}", handle.local_peer()))?;
        let Some(line) = tokio::task::spawn_blocking(order).await?? else {
            return Ok(());
        };
        let neighbours = neighbours(&line)?;
        let count = neighbours.len();
        handle.set_neighbours(neighbours).await?;
        while handle.status().await?.peers.len() < count {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        say("ready")?;
        while tokio::task::spawn_blocking(order).await??.is_some() {
            handle
                .fetch(manifest.clone(), part.folder.clone())
                .await?
                .done()
                .await?;
            say("done")?;
        }
        Ok(())
    })
}

fn neighbours(line: &str) -> anyhow::Result<Vec<Neighbour>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let pairs = words.chunks_exact(2).enumerate();
    pairs
        .map(|(number, pair)| {
            Ok(Neighbour {
                host: format!("neighbour-{number}").parse()?,
                peer: pair[0].to_owned(),
                addresses: vec![pair[1].to_owned()],
            })
        })
        .collect()
}
