//! What the manager says of the region's store, kept for the fetches that can use it.

use crate::store::StorePieces;
use model::ArtifactId;
use model::host::{STORE_OFFERS_MAX, SecretAddress, StoreOffer};
use reqwest::Client;
use std::collections::BTreeMap;
use std::sync::Arc;
use swarm_core::PieceSet;
use swarm_core::store_share::pieces_of_slots;
use tokio::sync::watch;

/// One artifact in the region's store, as this host may read it.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    address: SecretAddress,
    slots: u64,
    pub(super) pieces: Arc<StorePieces>,
}

impl Offer {
    /// The pieces that this host should read, of so many.
    pub(super) fn share(&self, artifact: &ArtifactId, pieces: u32) -> PieceSet {
        let (salt, _) = artifact.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
        pieces_of_slots(self.slots, u64::from_le_bytes(*salt), pieces)
    }

    /// Whether nothing has to be done to go from one to the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.address == other.address && self.slots == other.slots
    }
}

/// The offers that were heard last. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Offers {
    client: Client,
    heard: watch::Sender<BTreeMap<ArtifactId, Offer>>,
}

impl Offers {
    /// None yet.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            heard: watch::Sender::default(),
        }
    }

    /// Replaces what was heard before. An offer that is the same as before stays the one it was.
    pub(super) fn hear(&self, offers: &[StoreOffer]) {
        self.heard.send_if_modified(|known| {
            let mut changed = false;
            let next: BTreeMap<_, _> = offers
                .iter()
                .take(STORE_OFFERS_MAX)
                .filter_map(|offer| {
                    let before = known.get(&offer.artifact);
                    if let Some(before) = before
                        && before.address == offer.address
                        && before.slots == offer.slots
                    {
                        return Some((offer.artifact, before.clone()));
                    }
                    changed = true;
                    let pieces = StorePieces::new(self.client.clone(), offer)?;
                    let heard = Offer {
                        address: offer.address.clone(),
                        slots: offer.slots,
                        pieces: Arc::new(pieces),
                    };
                    Some((offer.artifact, heard))
                })
                .collect();
            changed |= next.len() != known.len();
            *known = next;
            changed
        });
    }

    pub(super) fn watch(&self) -> watch::Receiver<BTreeMap<ArtifactId, Offer>> {
        self.heard.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(artifact: u8, address: &str, slots: u64) -> StoreOffer {
        StoreOffer {
            artifact: ArtifactId([artifact; 32]),
            address: address.to_owned().into(),
            valid_for_seconds: 60,
            slots,
        }
    }

    #[test]
    fn only_a_change_is_told() {
        // An earlier test of this process may have installed it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let offers = Offers::new(crate::store::client().unwrap());
        let mut heard = offers.watch();
        let changes = |heard: &mut watch::Receiver<_>| {
            let changed = heard.has_changed().unwrap();
            heard.mark_unchanged();
            changed
        };
        let (one, other) = (offer(1, "http://a/", 1), offer(2, "http://a/", 1));
        offers.hear(std::slice::from_ref(&one));
        assert!(changes(&mut heard));
        let later = StoreOffer {
            valid_for_seconds: 50,
            ..one.clone()
        };
        offers.hear(&[later]);
        assert!(!changes(&mut heard), "an address that grew older is the same");
        for next in [
            vec![one.clone(), other.clone()],
            vec![other.clone()],
            vec![offer(2, "http://b/", 1)],
            vec![offer(2, "http://b/", 3)],
            vec![],
        ] {
            offers.hear(&next);
            assert!(changes(&mut heard), "{next:?}");
        }
    }

    #[test]
    fn the_shares_of_all_slots_are_all_pieces() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let offers = Offers::new(crate::store::client().unwrap());
        offers.hear(&[offer(7, "http://a/", u64::MAX)]);
        let artifact = ArtifactId([7; 32]);
        let share = offers.watch().borrow()[&artifact].share(&artifact, 1_200);
        assert!(share.is_full());
    }
}
