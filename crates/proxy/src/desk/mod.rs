//! Where commands are carried out, one after the other.

mod drains;
mod refused;

use crate::frontend::Frontend;
use crate::lane::{self, Listen};
use crate::state::State;
use crate::takeover::Predecessor;
use crate::{Config, Error, metrics};
use model::ServiceName;
use proxy_control::{Command, Mode, Point, Reply, ServiceStatus, Target};
use refused::Refused;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The most services of one host.
const SERVICES_MAX: usize = 200;

/// Everything that commands change.
#[derive(Debug)]
pub(crate) struct Desk {
    config: Config,
    lanes: Vec<lane::Handle>,
    served: BTreeMap<ServiceName, Served>,
    predecessor: Option<Predecessor>,
    phase: Phase,
}

/// A service that is served.
#[derive(Debug)]
struct Served {
    frontend: Arc<Frontend>,
    /// Kept so that it can be handed over; the lanes have clones.
    listener: TcpListener,
    stop: CancellationToken,
}

/// Who is in charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// This proxy.
    Serving,
    /// This proxy, until a newer one says that it accepts connections.
    HandingOver,
    /// A newer one.
    Replaced,
}

impl Desk {
    pub(crate) fn new(config: Config, lanes: Vec<lane::Handle>, predecessor: Option<Predecessor>) -> Self {
        Self {
            config,
            lanes,
            served: BTreeMap::new(),
            predecessor,
            phase: Phase::Serving,
        }
    }

    /// Listens on a service's stable port, for its first time or as an earlier proxy did.
    pub(crate) fn bind(&self, point: &Point) -> Result<TcpListener, Error> {
        let bound = || {
            // The standard library sets SO_REUSEADDR, so that a port whose last owner was killed is free at once.
            let listener = TcpListener::bind((self.config.listen, point.stable_port))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        bound().map_err(|source| Error::Listen {
            service: point.service.clone(),
            port: point.stable_port,
            source,
        })
    }

    /// Accepts a service's connections.
    pub(crate) async fn serve(
        &mut self,
        point: Point,
        mode: Mode,
        listener: TcpListener,
    ) -> Result<(), Error> {
        let service = point.service.clone();
        let failed = |source| Error::Listen {
            service: service.clone(),
            port: point.stable_port,
            source,
        };
        let mut clones = Vec::new();
        for _ in &self.lanes {
            clones.push(listener.try_clone().map_err(failed)?);
        }
        let frontend = Arc::new(Frontend::new(
            point,
            mode,
            self.config.limits,
            self.config.hold_max,
        ));
        let stop = CancellationToken::new();
        for (lane, listener) in self.lanes.iter().zip(clones) {
            lane.listen(Listen {
                frontend: frontend.clone(),
                listener,
                stop: stop.clone(),
            })
            .await;
        }
        self.served.insert(
            service,
            Served {
                frontend,
                listener,
                stop,
            },
        );
        Ok(())
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Every service with its socket, for a newer proxy.
    pub(crate) fn handover(&self) -> std::io::Result<Vec<(Point, Mode, TcpListener)>> {
        let of = |served: &Served| {
            let route = served.frontend.route();
            Ok((route.point().clone(), route.mode(), served.listener.try_clone()?))
        };
        self.served.values().map(of).collect()
    }

    /// Accepts nothing more, and gives the lanes up so that they can be ended.
    pub(crate) fn close(&mut self) -> Vec<lane::Handle> {
        for served in self.served.values() {
            served.stop.cancel();
        }
        std::mem::take(&mut self.lanes)
    }

    /// Tells the older proxy that this one accepts connections.
    pub(crate) async fn announce(&mut self) {
        self.pass_on(&Command::Taken).await;
    }

    /// What was counted, without asking an older proxy.
    pub(crate) fn publish(&self) {
        let services: Vec<_> = self
            .served
            .values()
            .map(|served| served.frontend.status())
            .collect();
        metrics::publish(&services);
    }

    /// Carries a command out.
    pub(crate) async fn execute(&mut self, command: Command) -> Reply {
        let done = match command {
            Command::Point(point) => self.point(point).await,
            Command::Mode { service, mode } => self.mode(service, mode).await,
            Command::Remove { service } => self.remove(service).await,
            Command::Drain {
                service,
                target,
                tunnels_ms_max,
            } => self.drain(service, target, tunnels_ms_max).await,
            Command::Exchange(exchange) => self.exchange(exchange).await,
            Command::Status => Ok(self.status().await),
            // Both are a conversation, which the control socket leads.
            Command::TakeOver | Command::Taken => Err(Refused::Phase),
        };
        done.unwrap_or_else(|refused| Reply::Refused {
            reason: refused.to_string(),
        })
    }

    async fn point(&mut self, point: Point) -> Result<Reply, Refused> {
        point.validate()?;
        let known = self
            .served
            .get(&point.service)
            .map(|served| served.frontend.clone());
        if self.phase == Phase::Replaced {
            // Services that came later are the newer proxy's alone.
            if let Some(frontend) = known {
                self.pass_on_point(&point).await?;
                frontend.set_point(point)?;
            }
            return Ok(Reply::Done);
        }
        let Some(frontend) = known else {
            self.check_new(&point)?;
            let listener = self.bind(&point)?;
            self.save(|state| state.services.push((point.clone(), Mode::Serve)))
                .await?;
            self.serve(point, Mode::Serve, listener).await?;
            return Ok(Reply::Done);
        };
        {
            let route = frontend.route();
            if route.point().stable_port != point.stable_port {
                return Err(Refused::PortChanged(point.service));
            }
            if *route.point() == point && !route.is_exchanging() {
                return Ok(Reply::Done);
            }
            route.check_point(&point)?;
        }
        self.save(|state| {
            let of_service = state
                .services
                .iter_mut()
                .find(|(of, _)| of.service == point.service);
            if let Some((of, _)) = of_service {
                *of = point.clone();
            }
        })
        .await?;
        self.pass_on_point(&point).await?;
        frontend.set_point(point)?;
        self.close_idle();
        Ok(Reply::Done)
    }

    fn check_new(&self, point: &Point) -> Result<(), Refused> {
        if self.served.len() >= SERVICES_MAX {
            return Err(Refused::ServicesMax);
        }
        let port = point.stable_port;
        let same_port = |served: &&Served| served.frontend.route().point().stable_port == port;
        match self.served.values().find(same_port) {
            Some(other) => Err(Refused::PortTaken(port, other.frontend.service().clone())),
            None => Ok(()),
        }
    }

    /// Closes connections to targets that get no requests any more, so that their tasks see an end.
    fn close_idle(&self) {
        let gets_requests = |target: Target| {
            let mut services = self.served.values();
            services.any(|served| served.frontend.route().gets_requests(target))
        };
        for lane in &self.lanes {
            lane.keep_only(gets_requests);
        }
    }

    async fn mode(&mut self, service: ServiceName, mode: Mode) -> Result<Reply, Refused> {
        let known = self.served.get(&service);
        let frontend = known.map(|served| served.frontend.clone());
        let frontend = frontend.ok_or_else(|| Refused::Unknown(service.clone()))?;
        self.save(|state| {
            let of_service = state.services.iter_mut().find(|(of, _)| of.service == service);
            if let Some((_, of)) = of_service {
                *of = mode;
            }
        })
        .await?;
        self.pass_on(&Command::Mode { service, mode }).await;
        frontend.set_mode(mode);
        Ok(Reply::Done)
    }

    async fn remove(&mut self, service: ServiceName) -> Result<Reply, Refused> {
        if self.served.contains_key(&service) {
            self.save(|state| state.services.retain(|(of, _)| of.service != service))
                .await?;
            self.pass_on(&Command::Remove {
                service: service.clone(),
            })
            .await;
        }
        if let Some(served) = self.served.remove(&service) {
            served.stop.cancel();
            self.close_idle();
        }
        Ok(Reply::Done)
    }

    async fn status(&mut self) -> Reply {
        let mut services: Vec<_> = self
            .served
            .values()
            .map(|served| served.frontend.status())
            .collect();
        if let Some(Reply::Status { services: older }) = self.pass_on(&Command::Status).await {
            for status in &mut services {
                let of_service = older.iter().find(|of| of.point.service == status.point.service);
                if let Some(older) = of_service {
                    add(status, older);
                }
            }
        }
        Reply::Status { services }
    }

    async fn save(&self, change: impl FnOnce(&mut State)) -> Result<(), Error> {
        // What a proxy that was replaced knows is the newer one's to keep.
        if self.phase == Phase::Replaced {
            return Ok(());
        }
        let mut state = self.state();
        change(&mut state);
        state.save(&self.config.folder).await
    }

    fn state(&self) -> State {
        let of = |served: &Served| {
            let route = served.frontend.route();
            (route.point().clone(), route.mode())
        };
        State {
            services: self.served.values().map(of).collect(),
        }
    }

    async fn pass_on_point(&mut self, point: &Point) -> Result<(), Refused> {
        match self.pass_on(&Command::Point(point.clone())).await {
            Some(Reply::Refused { reason }) => Err(Refused::Predecessor(reason)),
            _ => Ok(()),
        }
    }

    /// Says a command to the older proxy, if there is one that has not ended.
    async fn pass_on(&mut self, command: &Command) -> Option<Reply> {
        let predecessor = self.predecessor.as_mut()?;
        match predecessor.ask(command).await {
            Ok(reply) => return Some(reply),
            Err(proxy_control::Error::Refused { reason }) => return Some(Reply::Refused { reason }),
            Err(proxy_control::Error::Closed | proxy_control::Error::Broken(_)) => {
                tracing::info!("the proxy that was replaced has ended");
            }
            Err(error) => {
                tracing::error!(%error, "the proxy that was replaced is given up: it doesn't answer");
            }
        }
        self.predecessor = None;
        None
    }
}

/// Adds what an older proxy still has.
fn add(status: &mut ServiceStatus, older: &ServiceStatus) {
    for of in &older.targets {
        match status.targets.iter_mut().find(|known| known.target == of.target) {
            Some(known) => {
                known.in_flight += of.in_flight;
                known.tunnels += of.tunnels;
            }
            None => status.targets.push(*of),
        }
    }
    status.held_now += older.held_now;
}
