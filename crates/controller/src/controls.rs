//! From what operators said about distributions to every region's etcd.

use crate::metrics;
use crate::publisher::Publisher;
use database::builds::ControlsRow;
use desired_state::Published;
use futures::future::join_all;
use tracing::{info, warn};

impl Publisher {
    /// Tells every region what was said since it was told last. A region that is away holds up no other; there
    /// are no more regions than one listing of them holds.
    pub(crate) async fn publish_controls(&self) -> Result<(), database::Error> {
        let due = self.builds.due_controls().await?;
        let told = join_all(due.iter().map(|row| self.tell_controls(row))).await;
        told.into_iter().collect()
    }

    async fn tell_controls(&self, row: &ControlsRow) -> Result<(), database::Error> {
        let (region, epoch) = (&row.region, row.controls.epoch);
        let Some(store) = self.regions.get(region) else {
            warn!(region.name = %region, "no etcd is configured for this region");
            return self.builds.controls_failed(region, epoch).await;
        };
        match store.publish_controls(&row.controls).await {
            Ok(Published::Written | Published::Already) => {
                info!(region.name = %region, controls.epoch = %epoch, "told a region how to distribute");
                metrics::count(metrics::PUBLISHED_TOTAL, region);
                self.builds.controls_delivered(region, epoch).await
            }
            Ok(Published::Newer(seen)) => {
                warn!(
                    region.name = %region,
                    controls.epoch = %epoch,
                    controls.epoch_seen = %seen,
                    "a region was told newer controls already"
                );
                self.builds.controls_overtaken(region, seen).await
            }
            Err(error) => {
                metrics::count(metrics::PUBLISH_FAILURES_TOTAL, region);
                warn!(
                    error = &error as &dyn std::error::Error,
                    region.name = %region,
                    controls.failures = row.failures + 1,
                    "failed to tell a region how to distribute; trying again later"
                );
                self.builds.controls_failed(region, epoch).await
            }
        }
    }
}
