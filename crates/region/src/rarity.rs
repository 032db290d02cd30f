//! How often pieces are held around this manager, asked of its own node every now and then.

use model::ArtifactId;
use model::distribution::{NEIGHBOURS_SAMPLED_MAX, Rarity};
use std::collections::BTreeMap;
use std::time::Duration;
use swarm::Handle;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// How often it is asked.
const PERIOD: Duration = Duration::from_secs(1);

/// What is held around the manager, by artifact.
pub(crate) type Rarities = BTreeMap<ArtifactId, Rarity>;

/// The task that asks; ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Sampling {
    rarities: watch::Receiver<Rarities>,
    _task: AbortOnDropHandle<()>,
}

impl Sampling {
    pub(crate) fn start(swarm: Handle) -> Self {
        let (sender, rarities) = watch::channel(Rarities::new());
        let task = tokio::spawn(async move {
            // A node that has stopped has nothing to say any more.
            while let Ok(status) = swarm.status().await {
                let seeded = status.artifacts.into_iter();
                let sampled = seeded.filter_map(|it| Some((it.artifact, rarity(it.rarity)?)));
                sender.send_replace(sampled.collect());
                tokio::time::sleep(PERIOD).await;
            }
        });
        Self {
            rarities,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// What was held when it was last looked.
    pub(crate) fn latest(&self) -> Rarities {
        self.rarities.borrow().clone()
    }
}

/// A sample of one artifact; none while nobody is there to look at.
fn rarity(mut pieces: Vec<u32>) -> Option<Rarity> {
    pieces.truncate(NEIGHBOURS_SAMPLED_MAX + 1);
    let neighbours = u32::try_from(pieces.len().checked_sub(1)?).ok()?;
    (neighbours > 0).then_some(Rarity { neighbours, pieces })
}
