//! The agent's frontend: the proxy of the same host, over its control socket.

use ::agent::frontend::{Answers, EXCHANGE_MAX, Failure, Frontend, Target};
use async_trait::async_trait;
use model::{ServiceName, ServiceSpec};
use proxy_control::{Client, Error, Exchange, Point, Protocol, ServiceStatus, Share};
use std::path::PathBuf;
use std::time::Duration;

/// How long upgraded connections to a task may go on once it gets no more requests; then they are closed. Shorter than
/// the agent waits for a task that drains.
const TUNNELS_MAX: Duration = Duration::from_secs(10);

/// The same while requests wait for the task to be exchanged for another one.
const EXCHANGE_TUNNELS_MAX: Duration = Duration::from_secs(3);

/// Sends a service's requests through the proxy that holds its stable port.
#[derive(Debug)]
pub struct ProxyFrontend(Client);

impl ProxyFrontend {
    /// Of the proxy that listens at this control socket, now or later.
    pub fn new(socket: PathBuf) -> Self {
        Self(Client::new(socket))
    }
}

#[async_trait]
impl Frontend for ProxyFrontend {
    async fn point(&self, service: &ServiceName, spec: &ServiceSpec, target: Target) -> Result<(), Failure> {
        let Some(stable_port) = spec.stable_port else {
            // It is asked at its tasks' own ports, and must not wait for a proxy that it doesn't need.
            return match self.0.remove(service.clone()).await {
                Ok(()) | Err(Error::Unreachable { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            };
        };
        Ok(self.0.point(point(service, stable_port, target)).await?)
    }

    async fn share(
        &self,
        service: &ServiceName,
        spec: &ServiceSpec,
        blue: Target,
        green: Target,
    ) -> Result<Answers, Failure> {
        let (Some(stable_port), Some(split)) = (spec.stable_port, &spec.cutover.split) else {
            return Ok(Answers::default());
        };
        let wanted = Point {
            split: vec![Share {
                target: of(green),
                percent: split.percent,
            }],
            sticky: split.sticky.clone(),
            ..point(service, stable_port, blue)
        };
        let mut status = self.status(service).await?;
        if status.as_ref().is_none_or(|status| status.point != wanted) {
            self.0.point(wanted).await?;
            status = self.status(service).await?;
        }
        let mut targets = status.iter().flat_map(|status| &status.targets);
        let green = targets.find(|known| known.target == of(green));
        let green = green.ok_or("the proxy does not know the task that it was to send a share to")?;
        Ok(Answers {
            ended: green.ended,
            errors: green.errors,
        })
    }

    async fn drain(&self, service: &ServiceName, target: Target) -> Result<u64, Failure> {
        let tunnels_ms_max = u64::try_from(TUNNELS_MAX.as_millis())?;
        match self.0.drain(service.clone(), of(target), tunnels_ms_max).await {
            Ok((requests, tunnels)) => Ok(requests + tunnels),
            // Nobody can be waiting for an answer through a proxy that isn't there.
            Err(Error::Unreachable { .. }) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    async fn exchange(
        &self,
        service: &ServiceName,
        spec: &ServiceSpec,
        target: Target,
    ) -> Result<u64, Failure> {
        if spec.stable_port.is_none() {
            return Ok(0);
        }
        let exchange = Exchange {
            service: service.clone(),
            target: of(target),
            ms_max: u64::try_from(EXCHANGE_MAX.as_millis())?,
            tunnels_ms_max: u64::try_from(EXCHANGE_TUNNELS_MAX.as_millis())?,
        };
        match self.0.exchange(exchange).await {
            Ok((requests, tunnels)) => Ok(requests + tunnels),
            Err(Error::Unreachable { .. }) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    async fn withdraw(&self, service: &ServiceName) -> Result<(), Failure> {
        Ok(self.0.remove(service.clone()).await?)
    }
}

impl ProxyFrontend {
    async fn status(&self, service: &ServiceName) -> Result<Option<ServiceStatus>, Error> {
        let all = self.0.status().await?;
        Ok(all.into_iter().find(|status| status.point.service == *service))
    }
}

/// Everything for one task.
fn point(service: &ServiceName, stable_port: u16, target: Target) -> Point {
    Point {
        service: service.clone(),
        stable_port,
        active: of(target),
        protocol: Protocol::Http1,
        split: Vec::new(),
        sticky: None,
    }
}

fn of(target: Target) -> proxy_control::Target {
    proxy_control::Target {
        port: target.port,
        release: target.release,
    }
}
