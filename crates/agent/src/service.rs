//! The agent's loop.

use crate::frontend::{Direct, Frontend};
use crate::fronts::Fronts;
use crate::host::Host;
use crate::logs::{Desk, Running};
use crate::talk::Talk;
use crate::{Config, Error, metrics};
use std::sync::Arc;
use std::time::Instant;
use swarm::IncomingCall;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// The agent of one host.
#[derive(Debug)]
pub struct Service {
    config: Config,
    swarm: swarm::Handle,
    frontend: Arc<dyn Frontend>,
    calls: Option<mpsc::Receiver<IncomingCall>>,
}

impl Service {
    /// An agent that speaks and fetches through `swarm`, whose driver the caller runs.
    pub fn new(config: Config, swarm: swarm::Handle) -> Self {
        Self {
            config,
            swarm,
            frontend: Arc::new(Direct),
            calls: None,
        }
    }

    /// The same agent, that answers what managers ask about the output of its tasks.
    #[must_use]
    pub fn with_calls(self, calls: mpsc::Receiver<IncomingCall>) -> Self {
        Self {
            calls: Some(calls),
            ..self
        }
    }

    /// The same agent with something in front of its tasks.
    #[must_use]
    pub fn with_frontend(self, frontend: Arc<dyn Frontend>) -> Self {
        Self { frontend, ..self }
    }

    /// Does what the region's leading manager orders, until told to stop. What becomes of running tasks then is
    /// [`Config::tasks_on_exit`].
    ///
    /// # Errors
    /// If the agent's own folder can't be used when it begins, or a part of it panicked. The loss of every manager, of
    /// the network or of disk space is no error.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        metrics::describe();
        let changed = Arc::new(Notify::new());
        let mut talk = Talk::new(&self.config, self.swarm.clone());
        let mut hints = self.swarm.hints();
        let fronts = Fronts::new(self.frontend);
        let (running, logs) = watch::channel(Running::default());
        let desk = Desk::new(self.config.folder.as_path().into(), logs);
        let _desk = self
            .calls
            .map(|calls| AbortOnDropHandle::new(tokio::spawn(desk.run(calls))));
        let mut host = Host::open(self.config, self.swarm, talk.managers(), fronts, changed.clone()).await?;
        loop {
            host.settle().await?;
            let logs = host.logs();
            running.send_if_modified(|before| std::mem::replace(before, logs.clone()) != logs);
            talk.begin_if_due(&host);
            let wake = host.wake().into_iter().chain(talk.wake()).map(|(at, _)| at).min();
            tokio::select! {
                () = stop.cancelled() => break,
                Ok(()) = hints.changed() => talk.hurry(),
                orders = talk.next_orders() => host.take(orders?).await,
                event = host.next_event() => event?,
                () = changed.notified() => {}
                () = sleep_until(wake) => {}
            }
        }
        host.close().await
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
