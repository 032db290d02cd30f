//! A frontend that does what the test lets it do.

use agent::frontend::{Answers, Failure, Frontend, Target};
use async_trait::async_trait;
use model::{ReleaseNumber, ServiceName, ServiceSpec};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

#[derive(Debug, Default)]
pub struct FakeFrontend {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub struct State {
    /// It answers nothing but failures.
    pub away: bool,
    /// Where requests go.
    pub pointed: Option<Target>,
    /// Every release that requests ever went to.
    pub releases: BTreeSet<ReleaseNumber>,
    /// Who gets a share beside that one, and how it has answered.
    pub shares: Option<Target>,
    pub answers: Answers,
    /// Requests still with whatever drains.
    pub in_flight: u64,
    /// How often it was asked about that.
    pub drains: u64,
    pub withdrawn: bool,
    /// The task that is to be exchanged for another one, while requests are held.
    pub leaves: Option<Target>,
}

impl FakeFrontend {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn present(&self) -> Result<MutexGuard<'_, State>, Failure> {
        let state = self.state();
        if state.away {
            return Err("the frontend is away".into());
        }
        Ok(state)
    }
}

#[async_trait]
impl Frontend for FakeFrontend {
    async fn point(&self, _: &ServiceName, _: &ServiceSpec, target: Target) -> Result<(), Failure> {
        let mut state = self.present()?;
        state.pointed = Some(target);
        state.releases.insert(target.release);
        state.shares = None;
        state.leaves = None;
        Ok(())
    }

    async fn share(
        &self,
        _: &ServiceName,
        _: &ServiceSpec,
        blue: Target,
        green: Target,
    ) -> Result<Answers, Failure> {
        let mut state = self.present()?;
        state.pointed = Some(blue);
        state.shares = Some(green);
        Ok(state.answers)
    }

    async fn drain(&self, _: &ServiceName, target: Target) -> Result<u64, Failure> {
        let mut state = self.present()?;
        assert_ne!(state.pointed, Some(target), "what gets requests is not drained");
        assert_eq!(state.shares, None, "nor is what gets a share");
        state.drains += 1;
        Ok(state.in_flight)
    }

    async fn exchange(&self, _: &ServiceName, _: &ServiceSpec, target: Target) -> Result<u64, Failure> {
        let mut state = self.present()?;
        state.leaves = Some(target);
        Ok(state.in_flight)
    }

    async fn withdraw(&self, _: &ServiceName) -> Result<(), Failure> {
        let mut state = self.present()?;
        state.pointed = None;
        state.withdrawn = true;
        Ok(())
    }
}
