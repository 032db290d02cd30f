//! Taking a manager's orders in.

use super::Host;
use crate::metrics;
use crate::reason::reason;
use crate::seat::Seat;
use model::host::{HOST_REVOKED_MAX, HostOrders, Neighbour, SERVICES_MAX};
use model::{DesiredService, PeerName};
use std::collections::BTreeSet;

/// The most services whose epochs are remembered, ordered now or once. Beyond, those no longer ordered are forgotten.
pub(crate) const SEATS_MAX: usize = 4 * SERVICES_MAX;

impl Host {
    /// Takes a leading manager's orders: a whole state, so that what they don't name is no longer wanted.
    pub(crate) async fn take(&mut self, orders: Option<HostOrders>) {
        let Some(orders) = orders else { return };
        if orders.term < self.term {
            ::metrics::counter!(metrics::ORDERS_STALE).increment(1);
            tracing::warn!(
                orders.term,
                seen = self.term,
                "refused the orders of a manager that no longer leads"
            );
            return;
        }
        self.term = orders.term;
        self.heard = true;
        ::metrics::counter!(metrics::ORDERS_TAKEN).increment(1);
        let ordered: BTreeSet<_> = orders
            .services
            .iter()
            .map(|order| order.service.clone())
            .collect();
        orders.services.into_iter().for_each(|order| self.seat(order));
        for (_, seat) in self
            .seats
            .iter_mut()
            .filter(|(service, _)| !ordered.contains(*service))
        {
            seat.withdraw();
        }
        self.forget_vacant();
        self.shelf.control(orders.controls);
        self.shun(orders.revoked).await;
        self.shelf.hear_offers(&orders.store);
        self.meet(orders.neighbours).await;
    }

    fn seat(&mut self, order: DesiredService) {
        let service = order.service.clone();
        let Some(seat) = self.seats.get_mut(&service) else {
            self.seats.insert(service, Seat::new(order));
            return;
        };
        if let Err(stale) = seat.order(order) {
            ::metrics::counter!(metrics::ORDERS_STALE).increment(1);
            tracing::warn!(service.name = %service, "refused an order: {stale}");
        }
    }

    fn forget_vacant(&mut self) {
        let mut over = self.seats.len().saturating_sub(SEATS_MAX);
        self.seats.retain(|_, seat| {
            let forgotten = over > 0 && seat.is_vacant();
            over -= usize::from(forgotten);
            !forgotten
        });
    }

    /// Keeps out whom the manager names, before anybody is met.
    async fn shun(&mut self, mut revoked: Vec<PeerName>) {
        revoked.truncate(HOST_REVOKED_MAX);
        if revoked == self.revoked {
            return;
        }
        let peers = revoked.iter().filter_map(|peer| peer.as_str().parse().ok());
        match self.swarm.set_revoked(peers.collect()).await {
            Ok(()) => self.revoked = revoked,
            Err(error) => tracing::warn!(
                reason = reason(&error),
                "failed to keep out the revoked peers that were named"
            ),
        }
    }

    async fn meet(&mut self, neighbours: Vec<Neighbour>) {
        if neighbours == self.neighbours {
            return;
        }
        match self.swarm.set_neighbours(neighbours.clone()).await {
            Ok(()) => self.neighbours = neighbours,
            Err(error) => tracing::warn!(
                reason = reason(&error),
                "failed to take the neighbours that were ordered"
            ),
        }
    }
}
