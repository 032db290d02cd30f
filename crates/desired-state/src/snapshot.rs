//! Reading everything that a region should run, and what was said about its distributions.

use crate::Error;
use crate::store::{ANSWER_LENGTH_MAX, DesiredState, limited};
use etcd_client::{GetOptions, KeyValue};
use model::RegionService;
use model::control::RegionControls;
use model::host::SERVICES_MAX;
use serde::de::DeserializeOwned;

/// A region's desired state at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Every service, in the order of its name.
    pub services: Vec<RegionService>,
    /// What was said about the region's distributions; absent if it could not be understood, and then what
    /// was known before stands.
    pub controls: Option<RegionControls>,
    /// Keys of services whose value could not be understood. A reader keeps what it knew of these: not to
    /// understand an order is no order to stop.
    pub unreadable: Vec<String>,
    /// etcd's revision of that moment; a [`crate::Watch`] from it misses nothing.
    pub revision: i64,
}

impl DesiredState {
    /// Reads every service of the region, at most [`SERVICES_MAX`], and what was said about its distributions.
    pub async fn list(&self) -> Result<Snapshot, Error> {
        const ACTION: &str = "list the services";
        let mut client = self
            .client
            .kv_client()
            .max_decoding_message_size(ANSWER_LENGTH_MAX);
        let limit = i64::try_from(SERVICES_MAX).unwrap_or(i64::MAX);
        let controls = limited(ACTION, client.get(self.controls_key(), None)).await?;
        let options = GetOptions::new().with_prefix().with_limit(limit);
        let found = limited(ACTION, client.get(self.services_prefix(), Some(options))).await?;
        if found.more() {
            return Err(Error::TooManyServices);
        }
        // A watch from the earlier of both moments misses nothing.
        let header = controls.header().ok_or(Error::Incomplete { action: ACTION })?;
        let mut snapshot = Snapshot {
            services: Vec::with_capacity(found.kvs().len()),
            controls: match controls.kvs().first() {
                Some(stored) => decode(stored).ok(),
                None => Some(RegionControls::default()),
            },
            unreadable: Vec::new(),
            revision: header.revision(),
        };
        for stored in found.kvs() {
            match decode(stored) {
                Ok(desired) => snapshot.services.push(desired),
                Err(_) => snapshot.unreadable.push(key_of(stored)),
            }
        }
        Ok(snapshot)
    }
}

pub(crate) fn decode<T: DeserializeOwned>(stored: &KeyValue) -> Result<T, Error> {
    serde_json::from_slice(stored.value()).map_err(|source| Error::Undecodable {
        key: key_of(stored),
        source,
    })
}

fn key_of(stored: &KeyValue) -> String {
    String::from_utf8_lossy(stored.key()).into_owned()
}
