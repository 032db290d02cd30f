//! What the region's manager does: hands out neighbours, and shares of the store.

use super::World;
use crate::event::Event;
use crate::host::TRANSFER;
use crate::invariants::Violation;
use crate::topology::NEIGHBOURS_MAX;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use swarm_core::{Input, Peer, PieceSet, Time};

/// How soon the manager hands out a new neighbour for one that is gone.
const REPLACE_US: u64 = 1_000_000;
/// How often it draws another host when the one it drew won't do.
const DRAWS_MAX: u32 = 16;

/// Who pulls which pieces from the store.
#[derive(Debug)]
pub(super) struct Hand {
    /// The pullers, in the order of their shares.
    pullers: Vec<u32>,
    /// All pieces; each puller's share is a run of them.
    pieces: Vec<u32>,
}

impl World<'_> {
    /// Each manager shares out the pieces in its own random order.
    pub(super) fn deal(case: &crate::Case) -> Vec<Hand> {
        let deal = |number: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(case.seed ^ number << 32 ^ 0x5702e);
            let mut pullers: Vec<u32> = (0..case.hosts).collect();
            pullers.shuffle(&mut rng);
            pullers.truncate(case.store.map_or(0, |store| store.pullers) as usize);
            let mut pieces: Vec<u32> = (0..case.pieces()).collect();
            pieces.shuffle(&mut rng);
            Hand { pullers, pieces }
        };
        let hands = case.store.map_or(0, |store| u64::from(store.hands));
        (0..hands).map(deal).collect()
    }

    /// Tells a host of the store, and of its share of it.
    pub(super) fn offer_store(&mut self, id: u32, hand: u8) -> Result<(), Violation> {
        let Some(hand) = self.hands.get(usize::from(hand)) else {
            return Ok(());
        };
        let mut share = PieceSet::empty(self.pieces);
        if let Some(rank) = hand.pullers.iter().position(|&puller| puller == id) {
            let run = |rank: usize| rank * hand.pieces.len() / hand.pullers.len();
            for &piece in &hand.pieces[run(rank)..run(rank + 1)] {
                share.insert(piece);
            }
        }
        self.tell(
            id,
            Input::StoreOffered {
                transfer: TRANSFER,
                peer: Peer(self.store_id()),
                share,
            },
        )
    }

    /// The manager hands `id` some living host with room for another neighbour.
    pub(super) fn replace_neighbour(&mut self, id: u32) {
        for _ in 0..DRAWS_MAX {
            let other = self.rng.random_range(0..self.hosts.len() as u32);
            let host = &self.hosts[other as usize];
            let free = host.lives && host.contacts.len() < NEIGHBOURS_MAX as usize;
            if other != id && free && !host.knows(id) && self.reachable(id, other) {
                let at = Time(self.now.0.saturating_add(REPLACE_US));
                self.schedule.add(at, Event::Meet { a: id, b: other });
                return;
            }
        }
    }
}
