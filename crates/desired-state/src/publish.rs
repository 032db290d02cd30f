//! Writing a service's desired state, so that its epoch never goes back.

use crate::store::{DesiredState, limited};
use crate::{Error, snapshot};
use etcd_client::{Compare, CompareOp, Txn, TxnOp};
use model::{DesiredService, Epoch};

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

impl DesiredState {
    /// Writes one service's desired state, unless the region already has one of the same or a larger epoch.
    /// May be repeated at will.
    pub async fn publish(&self, desired: &DesiredService) -> Result<Published, Error> {
        let key = self.service_key(&desired.service);
        let value = serde_json::to_vec(desired).map_err(Error::Encode)?;
        let mut client = self.client.kv_client();
        for _ in 0..TRIES_MAX {
            let found = limited("read a service", client.get(key.as_str(), None)).await?;
            let mut revision = 0;
            if let Some(stored) = found.kvs().first() {
                revision = stored.mod_revision();
                if let Some(outcome) = compare(&snapshot::decode(stored)?, desired)? {
                    return Ok(outcome);
                }
            }
            // A key that does not exist has revision 0, so this holds for the first publication as well.
            let unchanged = Compare::mod_revision(key.as_str(), CompareOp::Equal, revision);
            let transaction =
                Txn::new()
                    .when([unchanged])
                    .and_then([TxnOp::put(key.as_str(), value.as_slice(), None)]);
            if limited("publish a service", client.txn(transaction))
                .await?
                .succeeded()
            {
                return Ok(Published::Written);
            }
        }
        Err(Error::Contended(desired.service.clone()))
    }
}

/// What a publication comes to when `stored` is there already; `None` when it should be written.
fn compare(stored: &DesiredService, desired: &DesiredService) -> Result<Option<Published>, Error> {
    if stored.epoch < desired.epoch {
        return Ok(None);
    }
    if stored.epoch > desired.epoch {
        return Ok(Some(Published::Newer(stored.epoch)));
    }
    if stored != desired {
        return Err(Error::EpochReused {
            service: desired.service.clone(),
            epoch: desired.epoch,
        });
    }
    Ok(Some(Published::Already))
}
