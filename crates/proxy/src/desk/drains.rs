//! Questions about targets that are to end: what they still have to do, here and at an older proxy.

use super::{Desk, Refused};
use model::ServiceName;
use proxy_control::{Command, Exchange, Reply, Target};
use std::time::Duration;

impl Desk {
    pub(super) async fn drain(
        &mut self,
        service: ServiceName,
        target: Target,
        tunnels_ms_max: u64,
    ) -> Result<Reply, Refused> {
        let own = match self.served.get(&service) {
            Some(served) => served
                .frontend
                .drain(target, Duration::from_millis(tunnels_ms_max))?,
            None => (0, 0),
        };
        let command = Command::Drain {
            service,
            target,
            tunnels_ms_max,
        };
        self.with_the_older(own, &command).await
    }

    /// Not kept on the disk: whoever asks for it asks again until it points elsewhere.
    pub(super) async fn exchange(&mut self, exchange: Exchange) -> Result<Reply, Refused> {
        let limits = [exchange.ms_max, exchange.tunnels_ms_max].map(Duration::from_millis);
        let own = self
            .served
            .get(&exchange.service)
            .map(|served| served.frontend.exchange(exchange.target, limits[0], limits[1]));
        let command = Command::Exchange(exchange);
        self.with_the_older(own.unwrap_or_default(), &command).await
    }

    /// What a target still has to do here, and at the older proxy, which is asked the same.
    async fn with_the_older(
        &mut self,
        (mut in_flight, mut tunnels): (u64, u64),
        command: &Command,
    ) -> Result<Reply, Refused> {
        match self.pass_on(command).await {
            Some(Reply::Draining {
                in_flight: requests,
                tunnels: open,
            }) => {
                in_flight += requests;
                tunnels += open;
            }
            Some(Reply::Refused { reason }) => return Err(Refused::Predecessor(reason)),
            _ => {}
        }
        Ok(Reply::Draining { in_flight, tunnels })
    }
}
