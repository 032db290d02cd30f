//! Reporting to the leading manager and hearing its orders: every few seconds, and at once when there is news.

use crate::host::Host;
use crate::managers::{Managers, Unanswered};
use crate::reason::reason;
use crate::{Config, Error, metrics};
use model::Instance;
use model::host::HostOrders;
use model::instance::Transfer;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The least time between two reports, however much happens.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The conversation with the managers. At most one report is on its way.
#[derive(Debug)]
pub(crate) struct Talk {
    managers: Managers,
    poll_period: Duration,
    exchange: JoinSet<Result<HostOrders, Unanswered>>,
    began_at: Option<Instant>,
    due_at: Instant,
    /// What was said last, without how far the bytes are: that alone is no news.
    said: Vec<Instance>,
    /// Rounds without orders since the last ones.
    missed: u32,
}

impl Talk {
    pub(crate) fn new(config: &Config, swarm: swarm::Handle) -> Self {
        Self {
            managers: Managers::new(swarm, config.managers.clone()),
            poll_period: config.poll_period,
            exchange: JoinSet::new(),
            began_at: None,
            due_at: Instant::now(),
            said: Vec::new(),
            missed: 0,
        }
    }

    /// The managers, for whoever else has a question to them.
    pub(crate) fn managers(&self) -> Managers {
        self.managers.clone()
    }

    /// A manager hinted at news.
    pub(crate) fn hurry(&mut self) {
        self.due_at = Instant::now();
    }

    /// Sends a report when its time has come or there is something new to say.
    pub(crate) fn begin_if_due(&mut self, host: &Host) {
        if !self.exchange.is_empty() {
            return;
        }
        let now = Instant::now();
        let report = host.report();
        let news: Vec<Instance> = report.instances.iter().map(without_progress).collect();
        if news != self.said {
            self.due_at = self.due_at.min(self.began_at.map_or(now, |at| at + PAUSE_MIN));
        }
        if self.due_at > now {
            return;
        }
        // Said, even if nobody hears: a failed round is repeated after the period, not at once.
        self.said = news;
        self.began_at = Some(now);
        self.due_at = now + self.poll_period;
        let managers = self.managers.clone();
        self.exchange.spawn(async move { managers.report(report).await });
    }

    /// When to look again although nothing happened, and why.
    pub(crate) fn wake(&self) -> Option<(Instant, &'static str)> {
        self.exchange
            .is_empty()
            .then_some((self.due_at, "the next report is due"))
    }

    /// Waits for orders; for ever when none are asked for.
    ///
    /// # Errors
    /// If the asking panicked.
    pub(crate) async fn next_orders(&mut self) -> Result<Option<HostOrders>, Error> {
        let Some(answer) = self.exchange.join_next().await else {
            return std::future::pending().await;
        };
        Ok(self.note(answer?))
    }

    fn note(&mut self, answer: Result<HostOrders, Unanswered>) -> Option<HostOrders> {
        match answer {
            Ok(orders) => {
                if self.missed > 0 {
                    tracing::info!(rounds = self.missed, "a manager gives orders again");
                }
                self.missed = 0;
                Some(orders)
            }
            Err(error) => {
                ::metrics::counter!(metrics::ORDERS_MISSED).increment(1);
                // Once is enough: what runs goes on, and the end of it is told above.
                if self.missed == 0 {
                    tracing::warn!(reason = reason(&error), "no manager gives orders");
                }
                self.missed = self.missed.saturating_add(1);
                None
            }
        }
    }
}

fn without_progress(instance: &Instance) -> Instance {
    Instance {
        transfer: Transfer::default(),
        ..instance.clone()
    }
}
