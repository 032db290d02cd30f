//! The conversation with the host's frontend: it is told where each service's requests should go until it has said that
//! they do, and asked what a retired task still has to answer.

use crate::Error;
use crate::frontend::{Answers, Failure, Frontend, Target};
use crate::seat::{Front, Seat};
use model::{ServiceName, ServiceSpec};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// The pause between two questions about a task that drains.
const DRAIN_LOOK: Duration = Duration::from_millis(100);
/// The pause between two questions about a task that gets a share.
const SHARE_LOOK: Duration = Duration::from_millis(500);
/// How often what was said is said again, for a frontend that began anew.
const REPEAT: Duration = Duration::from_secs(10);

/// What a service's frontend should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Send requests there.
    Point(Target, Box<ServiceSpec>),
    /// Send most of them to the first, and a part to the second.
    Share(Target, Target, Box<ServiceSpec>),
    /// Let this task end what it began.
    Drain(Target),
    /// Hold requests until the task that gets them has been exchanged for another one.
    Exchange(Target, Box<ServiceSpec>),
    /// Forget the service.
    Withdraw,
}

/// Where every service's requests go, as far as this agent knows.
#[derive(Debug)]
pub(crate) struct Fronts {
    frontend: Arc<dyn Frontend>,
    services: BTreeMap<ServiceName, Standing>,
    /// At most one a service.
    calls: JoinSet<(ServiceName, Result<Heard, Failure>)>,
}

/// What the frontend answered.
#[derive(Debug)]
enum Heard {
    Pointed(Target),
    Shares(Target, Answers),
    Drains(Target, u64),
    Holds(Target, u64),
    Withdrawn,
}

#[derive(Debug, Default)]
struct Standing {
    /// What was confirmed last. Unknown while it is being changed.
    pointed: Option<Target>,
    in_flight: Option<(Target, u64)>,
    /// Which task gets a share, and how it has answered.
    shares: Option<(Target, Answers)>,
    /// For which task requests are held, and how many it still has.
    held: Option<(Target, u64)>,
    asking: bool,
    /// It was told to forget the service, and did.
    withdrawn: bool,
    /// When what was said is to be said again.
    due_at: Option<Instant>,
    /// Until when nothing is said, after a failure.
    rests_until: Option<Instant>,
}

impl Standing {
    /// Whether there is something to say now. What is new is said at once.
    fn is_due(&self, now: Instant, wish: &Wish) -> bool {
        let new = match wish {
            Wish::Point(target, _) => self.pointed != Some(*target),
            Wish::Share(_, target, _) => self.shares.is_none_or(|(of, _)| of != *target),
            Wish::Drain(target) => self.in_flight.is_none_or(|(of, _)| of != *target),
            Wish::Exchange(target, _) => self.held.is_none_or(|(of, _)| of != *target),
            Wish::Withdraw if self.withdrawn => return false,
            Wish::Withdraw => true,
        };
        let rests = self.asking || self.rests_until.is_some_and(|at| at > now);
        !rests && (new || self.due_at.is_none_or(|at| at <= now))
    }
}

impl Fronts {
    pub(crate) fn new(frontend: Arc<dyn Frontend>) -> Self {
        Self {
            frontend,
            services: BTreeMap::new(),
            calls: JoinSet::new(),
        }
    }

    /// What the frontend said last about a service.
    pub(crate) fn front(&self, service: &ServiceName, seat: &Seat) -> Front {
        let Some(standing) = self.services.get(service) else {
            return Front::default();
        };
        let in_flight = standing.in_flight.filter(|(of, _)| Some(*of) == seat.drains());
        let shares = standing.shares.filter(|(of, _)| Some(*of) == seat.shares());
        let held = standing.held.filter(|(of, _)| Some(*of) == seat.leaves());
        Front {
            pointed: standing.pointed,
            in_flight: in_flight.map(|(_, count)| count),
            shares: shares.map(|(_, answers)| answers),
            held: held.map(|(_, count)| count),
        }
    }

    /// Whether there is something to withdraw, as far as this agent knows.
    pub(crate) fn knows(&self, service: &ServiceName) -> bool {
        self.services
            .get(service)
            .is_some_and(|standing| !standing.withdrawn)
    }

    /// Forgets the services that are not to be remembered.
    pub(crate) fn keep_only(&mut self, stay: impl Fn(&ServiceName) -> bool) {
        self.services
            .retain(|service, standing| standing.asking || !standing.withdrawn || stay(service));
    }

    /// Says what should be, unless it was said and confirmed a moment ago.
    pub(crate) fn steer(&mut self, now: Instant, service: &ServiceName, wish: Wish) {
        let standing = self.services.entry(service.clone()).or_default();
        if !standing.is_due(now, &wish) {
            return;
        }
        standing.asking = true;
        if matches!(&wish, Wish::Point(target, _) if standing.pointed != Some(*target))
            || matches!(&wish, Wish::Share(..) | Wish::Exchange(..) | Wish::Withdraw)
        {
            standing.pointed = None;
        }
        if !matches!(&wish, Wish::Exchange(..)) {
            standing.held = None;
        }
        if !matches!(&wish, Wish::Share(..)) {
            standing.shares = None;
        }
        let (frontend, service) = (self.frontend.clone(), service.clone());
        self.calls.spawn(async move {
            let call = say(&*frontend, &service, wish);
            let result = tokio::time::timeout(PATIENCE, call).await;
            let result = result.unwrap_or_else(|_| Err("the frontend did not answer in time".into()));
            (service, result)
        });
    }

    /// Waits for the next answer and notes it; for ever when nothing was asked.
    ///
    /// # Errors
    /// If the frontend panicked.
    pub(crate) async fn next_done(&mut self) -> Result<(), Error> {
        match self.calls.join_next().await {
            Some(done) => {
                let (service, result) = done?;
                self.note(Instant::now(), &service, result);
                Ok(())
            }
            None => std::future::pending().await,
        }
    }

    fn note(&mut self, now: Instant, service: &ServiceName, result: Result<Heard, Failure>) {
        let Some(standing) = self.services.get_mut(service) else {
            return;
        };
        standing.asking = false;
        let heard = match result {
            Ok(heard) => heard,
            Err(error) => {
                tracing::warn!(service.name = %service, %error, "the frontend did not do what it was asked");
                standing.rests_until = Some(now + RETRY);
                return;
            }
        };
        let repeat = match heard {
            Heard::Pointed(target) => {
                if standing.pointed != Some(target) {
                    tracing::info!(service.name = %service, service.release = %target.release, process.port = target.port, "requests go to this task");
                }
                standing.pointed = Some(target);
                standing.withdrawn = false;
                REPEAT
            }
            Heard::Shares(target, answers) => {
                standing.shares = Some((target, answers));
                standing.withdrawn = false;
                SHARE_LOOK
            }
            Heard::Drains(target, count) => {
                standing.in_flight = Some((target, count));
                DRAIN_LOOK
            }
            Heard::Holds(target, count) => {
                standing.held = Some((target, count));
                DRAIN_LOOK
            }
            Heard::Withdrawn => {
                standing.withdrawn = true;
                return;
            }
        };
        standing.due_at = Some(now + repeat);
    }

    /// When there is next something to say, and why.
    pub(crate) fn wake(&self, now: Instant) -> Option<(Instant, &'static str)> {
        let due = self.services.values().filter(|standing| !standing.asking);
        due.flat_map(|standing| [standing.due_at, standing.rests_until])
            .flatten()
            .filter(|at| *at > now)
            .min()
            .map(|at| (at, "the frontend is told or asked again"))
    }
}

/// Says one thing to a frontend.
async fn say(frontend: &dyn Frontend, service: &ServiceName, wish: Wish) -> Result<Heard, Failure> {
    Ok(match wish {
        Wish::Withdraw => {
            frontend.withdraw(service).await?;
            Heard::Withdrawn
        }
        Wish::Point(target, spec) => {
            frontend.point(service, &spec, target).await?;
            Heard::Pointed(target)
        }
        Wish::Share(blue, green, spec) => {
            Heard::Shares(green, frontend.share(service, &spec, blue, green).await?)
        }
        Wish::Drain(target) => Heard::Drains(target, frontend.drain(service, target).await?),
        Wish::Exchange(target, spec) => {
            Heard::Holds(target, frontend.exchange(service, &spec, target).await?)
        }
    })
}
