//! Writing what a region should do, so that its epoch never goes back.

use crate::store::{DesiredState, limited};
use crate::{Error, snapshot};
use etcd_client::{Compare, CompareOp, Txn, TxnOp};
use model::control::RegionControls;
use model::{Epoch, RegionService};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How often a publication starts over when others write the same key at the same time.
const TRIES_MAX: usize = 8;

/// What became of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// The region has it now.
    Written,
    /// The region had it already.
    Already,
    /// The region has this larger epoch; nothing was changed.
    Newer(Epoch),
}

/// A value whose epoch only grows.
trait Ordered: Serialize + DeserializeOwned + PartialEq {
    fn epoch(&self) -> Epoch;
}

impl Ordered for RegionService {
    fn epoch(&self) -> Epoch {
        self.epoch
    }
}

impl Ordered for RegionControls {
    fn epoch(&self) -> Epoch {
        self.epoch
    }
}

impl DesiredState {
    /// Writes one service's desired state, unless the region already has one of the same or a larger epoch.
    /// May be repeated at will.
    pub async fn publish(&self, desired: &RegionService) -> Result<Published, Error> {
        self.put_newer(&self.service_key(&desired.service), desired).await
    }

    /// Writes what was said about the region's distributions, under the same rule.
    pub async fn publish_controls(&self, controls: &RegionControls) -> Result<Published, Error> {
        self.put_newer(&self.controls_key(), controls).await
    }

    async fn put_newer<T: Ordered>(&self, key: &str, wanted: &T) -> Result<Published, Error> {
        let value = serde_json::to_vec(wanted).map_err(Error::Encode)?;
        let mut client = self.client.kv_client();
        for _ in 0..TRIES_MAX {
            let found = limited("read a key", client.get(key, None)).await?;
            let mut revision = 0;
            if let Some(stored) = found.kvs().first() {
                revision = stored.mod_revision();
                if let Some(outcome) = compare(key, &snapshot::decode(stored)?, wanted)? {
                    return Ok(outcome);
                }
            }
            // A key that does not exist has revision 0, so this holds for the first publication as well.
            let unchanged = Compare::mod_revision(key, CompareOp::Equal, revision);
            let transaction =
                Txn::new()
                    .when([unchanged])
                    .and_then([TxnOp::put(key, value.as_slice(), None)]);
            if limited("publish", client.txn(transaction)).await?.succeeded() {
                return Ok(Published::Written);
            }
        }
        Err(Error::Contended(key.to_owned()))
    }
}

/// What a publication comes to when `stored` is there already; `None` when it should be written.
fn compare<T: Ordered>(key: &str, stored: &T, wanted: &T) -> Result<Option<Published>, Error> {
    if stored.epoch() < wanted.epoch() {
        return Ok(None);
    }
    if stored.epoch() > wanted.epoch() {
        return Ok(Some(Published::Newer(stored.epoch())));
    }
    if stored != wanted {
        return Err(Error::EpochReused {
            key: key.to_owned(),
            epoch: wanted.epoch(),
        });
    }
    Ok(Some(Published::Already))
}
