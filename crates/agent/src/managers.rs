//! Asking the region's managers, of which one leads.

use crate::config::Manager;
use artifact::SignedManifest;
use model::ArtifactId;
use model::host::{HostOrders, HostReport, HostRequest, HostResponse, SERVICES_MAX};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use swarm::Handle;

/// The managers of this host's region. Cheap to clone; clones share the memory of who leads.
#[derive(Debug, Clone)]
pub(crate) struct Managers {
    swarm: Handle,
    candidates: Arc<[Manager]>,
    /// Whom to ask first: who answered last.
    leader: Arc<AtomicUsize>,
}

/// Why no manager gave what was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("this host knows no manager")]
    NoCandidate,
    #[error("the region's managers stand by and none leads")]
    NoneLeads,
    #[error("no manager could be asked")]
    Swarm(#[from] swarm::Error),
    #[error("the manager refused: {0}")]
    Refused(String),
    #[error("the manager's answer is malformed")]
    Malformed(#[from] postcard::Error),
    #[error("the manager answered something else than it was asked")]
    Unfitting,
    #[error("the manager ordered {0} services, more than a host takes")]
    TooMany(usize),
    #[error("the manager sent no signed manifest")]
    Manifest(#[from] artifact::InvalidSignedManifest),
}

impl Managers {
    pub(crate) fn new(swarm: Handle, candidates: Vec<Manager>) -> Self {
        Self {
            swarm,
            candidates: candidates.into(),
            leader: Arc::default(),
        }
    }

    /// Says how this host is, and hears what it should do.
    pub(crate) async fn report(&self, report: HostReport) -> Result<HostOrders, Unanswered> {
        match self.ask(&HostRequest::Report(report)).await? {
            HostResponse::Orders(orders) if orders.services.len() > SERVICES_MAX => {
                Err(Unanswered::TooMany(orders.services.len()))
            }
            HostResponse::Orders(orders) => Ok(orders),
            _ => Err(Unanswered::Unfitting),
        }
    }

    /// Asks for an artifact's manifest, which nobody has checked yet.
    pub(crate) async fn manifest(&self, artifact: ArtifactId) -> Result<SignedManifest, Unanswered> {
        match self.ask(&HostRequest::Manifest(artifact)).await? {
            HostResponse::Manifest(bytes) => Ok(SignedManifest::decode(&bytes)?),
            _ => Err(Unanswered::Unfitting),
        }
    }

    /// Asks one manager after the other, beginning with the one that led last, until one does more than stand by.
    async fn ask(&self, request: &HostRequest) -> Result<HostResponse, Unanswered> {
        let request = postcard::to_stdvec(request)?;
        let first = self.leader.load(Ordering::Relaxed);
        let mut failure = Unanswered::NoCandidate;
        for offset in 0..self.candidates.len() {
            let index = (first + offset) % self.candidates.len();
            match self.ask_one(&self.candidates[index], request.clone()).await {
                Ok(HostResponse::StandingBy) => failure = Unanswered::NoneLeads,
                Ok(HostResponse::Refused(reason)) => failure = Unanswered::Refused(reason),
                Ok(response) => {
                    self.leader.store(index, Ordering::Relaxed);
                    return Ok(response);
                }
                // Of several failures, one that came from a living manager says more.
                Err(error) if matches!(failure, Unanswered::NoCandidate | Unanswered::Swarm(_)) => {
                    failure = error
                }
                Err(_) => {}
            }
        }
        Err(failure)
    }

    async fn ask_one(&self, manager: &Manager, request: Vec<u8>) -> Result<HostResponse, Unanswered> {
        let answer = self.swarm.call(manager.peer, &manager.addresses, request).await?;
        Ok(postcard::from_bytes(&answer)?)
    }
}
