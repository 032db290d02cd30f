//! From the outbox to every region's etcd.

use crate::{Error, metrics};
use database::Builds;
use database::builds::OutboxRow;
use desired_state::{DesiredState, Published};
use failpoint::Point;
use futures::StreamExt;
use model::RegionName;
use std::collections::{BTreeMap, HashMap};
use tracing::{info, warn};

/// The most rows of one pass; what remains is due in the next.
const ROWS_MAX: u32 = 1_000;
/// The most regions that are told at the same time.
const REGIONS_AT_ONCE_MAX: usize = 32;

#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) builds: Builds,
    pub(crate) regions: HashMap<RegionName, DesiredState>,
}

impl Publisher {
    pub(crate) async fn connect(
        builds: Builds,
        addresses: &BTreeMap<RegionName, Vec<String>>,
    ) -> Result<Self, Error> {
        let mut regions = HashMap::new();
        for (region, endpoints) in addresses {
            let store = DesiredState::connect(endpoints, region)
                .await
                .map_err(|source| Error::Region {
                    region: region.clone(),
                    source,
                })?;
            regions.insert(region.clone(), store);
        }
        Ok(Self { builds, regions })
    }

    /// Tells every region what it should be told now. A region that is away holds up no other.
    pub(crate) async fn publish_due(&self) -> Result<(), database::Error> {
        let (services, controls) = futures::join!(self.publish_services(), self.publish_controls());
        services.and(controls)
    }

    async fn publish_services(&self) -> Result<(), database::Error> {
        let mut due: BTreeMap<RegionName, Vec<OutboxRow>> = BTreeMap::new();
        for row in self.builds.due_outbox(ROWS_MAX).await? {
            due.entry(row.region.clone()).or_default().push(row);
        }
        let told = due
            .into_iter()
            .map(|(region, rows)| self.publish_region(region, rows));
        let mut told = futures::stream::iter(told).buffer_unordered(REGIONS_AT_ONCE_MAX);
        let mut outcome = Ok(());
        while let Some(region) = told.next().await {
            outcome = outcome.and(region);
        }
        outcome
    }

    async fn publish_region(&self, region: RegionName, rows: Vec<OutboxRow>) -> Result<(), database::Error> {
        for row in rows {
            let Some(store) = self.regions.get(&region) else {
                warn!(region.name = %region, "no etcd is configured for this region");
                return self.builds.outbox_failed(&row).await;
            };
            match store.publish(&row.desired).await {
                Ok(published) => self.record(&row, published).await?,
                Err(error) => {
                    metrics::count(metrics::PUBLISH_FAILURES_TOTAL, &region);
                    warn!(
                        error = &error as &dyn std::error::Error,
                        region.name = %region,
                        service.name = %row.desired.service,
                        outbox.failures = row.failures + 1,
                        "failed to tell a region; trying again later"
                    );
                    self.builds.outbox_failed(&row).await?;
                }
            }
        }
        Ok(())
    }

    async fn record(&self, row: &OutboxRow, published: Published) -> Result<(), database::Error> {
        let service = &row.desired.service;
        match published {
            Published::Written => {
                failpoint::reach(Point::PublisherTold);
                metrics::count(metrics::PUBLISHED_TOTAL, &row.region);
                info!(
                    region.name = %row.region,
                    service.name = %service,
                    service.epoch = %row.desired.epoch,
                    "told a region"
                );
                self.builds.outbox_delivered(row).await
            }
            Published::Already => self.builds.outbox_delivered(row).await,
            Published::Newer(seen) => {
                // Usually this row was replaced while it was under way, and then this does nothing.
                warn!(
                    region.name = %row.region,
                    service.name = %service,
                    service.epoch = %row.desired.epoch,
                    service.epoch_seen = %seen,
                    "a region was told something newer already"
                );
                self.builds.outbox_overtaken(row, seen).await
            }
        }
    }
}
