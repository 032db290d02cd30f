//! What stands in front of a service's tasks and sends requests to one of them.

use async_trait::async_trait;
use model::{ReleaseNumber, ServiceName, ServiceSpec};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// How long requests wait at most for a task to be exchanged for another one; whoever waits longer has given up.
pub const EXCHANGE_MAX: Duration = Duration::from_secs(30);

/// Whatever kept a frontend from doing what it was asked; it is asked again.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A task of a service on this host. Its port was another task's before, and will be again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The task's port on this host.
    pub port: u16,
    /// The release that it runs.
    pub release: ReleaseNumber,
}

/// How a task has answered requests, since it began to get some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answers {
    /// Requests that ended.
    pub ended: u64,
    /// Those of them that it answered with an error of its own (5xx), or not at all.
    pub errors: u64,
}

/// Sends a service's requests to one of its tasks on this host. Every call may be repeated, may come again for what was
/// done long ago, and is given up after a few seconds.
#[async_trait]
pub trait Frontend: Send + Sync + fmt::Debug {
    /// Sends every new request to `target` from now on; once this has answered, no other task gets one. How the service
    /// is reached from outside, if at all, its `spec` says.
    async fn point(&self, service: &ServiceName, spec: &ServiceSpec, target: Target) -> Result<(), Failure>;

    /// Sends a part of the service's requests to `green`, as the `spec` says, and all others to `blue`; how green has
    /// answered so far. Ends with the next [`Self::point`].
    async fn share(
        &self,
        service: &ServiceName,
        spec: &ServiceSpec,
        blue: Target,
        green: Target,
    ) -> Result<Answers, Failure>;

    /// How many requests are still with a task that gets no new ones; politely asks clients that keep connections to it
    /// to come again.
    async fn drain(&self, service: &ServiceName, target: Target) -> Result<u64, Failure>;

    /// Holds the service's requests from now on, since `target`, which gets them, is about to be exchanged for another
    /// task and the two may not run at the same time; how many it still has. Ends with the next [`Self::point`], or by
    /// itself after [`EXCHANGE_MAX`].
    async fn exchange(
        &self,
        service: &ServiceName,
        spec: &ServiceSpec,
        target: Target,
    ) -> Result<u64, Failure>;

    /// The service is no longer here.
    async fn withdraw(&self, service: &ServiceName) -> Result<(), Failure>;
}

/// No frontend: tasks are asked at their own ports, and whoever asks notices by itself where they are.
#[derive(Debug, Clone, Copy)]
pub struct Direct;

#[async_trait]
impl Frontend for Direct {
    async fn point(
        &self,
        _service: &ServiceName,
        _spec: &ServiceSpec,
        _target: Target,
    ) -> Result<(), Failure> {
        Ok(())
    }

    async fn share(
        &self,
        _service: &ServiceName,
        _spec: &ServiceSpec,
        _blue: Target,
        _green: Target,
    ) -> Result<Answers, Failure> {
        Ok(Answers::default())
    }

    async fn drain(&self, _service: &ServiceName, _target: Target) -> Result<u64, Failure> {
        Ok(0)
    }

    async fn exchange(
        &self,
        _service: &ServiceName,
        _spec: &ServiceSpec,
        _target: Target,
    ) -> Result<u64, Failure> {
        Ok(0)
    }

    async fn withdraw(&self, _service: &ServiceName) -> Result<(), Failure> {
        Ok(())
    }
}
