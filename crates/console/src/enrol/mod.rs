//! Letting nodes into their regions' swarms: everything is checked before the database is asked, and the
//! database has the last word before anything is signed.

use crate::app::App;
use crate::attempts::Attempts;
use crate::metrics;
use crate::refusal::Refusal;
use crate::service::Error;
use database::builds::{Enrolment, EnrolmentRefused, NodeRow};
use jiff::Timestamp;
use model::node::InvalidPeerName;
use model::{PeerName, RegionName};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use swarm::{Authority, EnrolmentRequest, Issued, PeerId, RenewalRequest, Statement};

/// The shortest and the longest life of a certificate. A shorter one would be renewed without end, a longer
/// one would make the list of revoked nodes long.
const CERTIFICATE_LIFE_MIN: Duration = Duration::from_secs(10);
const CERTIFICATE_LIFE_MAX: Duration = Duration::from_secs(90 * 24 * 3_600);

/// Signs certificates.
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    authorities: Arc<BTreeMap<RegionName, Authority>>,
    life: Duration,
    attempts: Arc<Attempts>,
}

impl Issuer {
    pub(crate) fn new(authorities: BTreeMap<RegionName, Authority>, life: Duration) -> Result<Self, Error> {
        if !(CERTIFICATE_LIFE_MIN..=CERTIFICATE_LIFE_MAX).contains(&life) {
            return Err(Error::CertificateLife(life));
        }
        Ok(Self {
            authorities: Arc::new(authorities),
            life,
            attempts: Arc::default(),
        })
    }

    /// The authority of a region, if this server speaks for it.
    pub(crate) fn authority(&self, region: &RegionName) -> Result<&Authority, Refusal> {
        let authority = self.authorities.get(region);
        authority.ok_or_else(|| Refusal::NoAuthority(region.clone()))
    }

    /// Signs what the database says of a node.
    fn issue(&self, peer: PeerId, node: NodeRow) -> Result<Issued, Refusal> {
        let statement = Statement {
            peer,
            region: node.region,
            name: node.name,
            role: node.role,
            not_after: node.certificate_until,
        };
        let certificate = self.authority(&statement.region)?.issue(statement);
        let certificate = certificate.map_err(|error| Refusal::Internal(Box::new(error)))?;
        Ok(Issued { certificate })
    }
}

/// Takes a join token for a first certificate.
pub(crate) async fn enrol(app: &App, request: &EnrolmentRequest) -> Result<Issued, Refusal> {
    let _place = app.issuer.attempts.begin()?;
    let outcome = admit(app, request).await;
    metrics::enrolment(outcome.is_ok());
    if let Err(Refusal::Unproven(_) | Refusal::Enrolment(EnrolmentRefused::UnknownToken)) = &outcome {
        app.issuer.attempts.note_failure();
    }
    outcome
}

async fn admit(app: &App, request: &EnrolmentRequest) -> Result<Issued, Refusal> {
    let peer = request.prove(Timestamp::now())?;
    // A token can't be used up for a region whose certificates nobody here could sign.
    app.issuer.authority(&request.region)?;
    let node = app
        .builds
        .enrol(&Enrolment {
            secret_hash: request.token.hash(),
            region: request.region.clone(),
            role: request.role,
            name: request.name.clone(),
            peer: named(peer)?,
            life: app.issuer.life,
        })
        .await?;
    tracing::info!(
        node.region = %node.region, node.name = %node.name, node.role = %node.role, peer.id = %peer,
        certificate.until = %node.certificate_until,
        "a node was enrolled"
    );
    app.issuer.issue(peer, node)
}

/// Takes a certificate that has not expired, and the proof of its key, for a new one.
pub(crate) async fn renew(app: &App, request: &RenewalRequest) -> Result<Issued, Refusal> {
    let outcome = prolong(app, request).await;
    metrics::renewal(outcome.is_ok());
    outcome
}

async fn prolong(app: &App, request: &RenewalRequest) -> Result<Issued, Refusal> {
    let now = Timestamp::now();
    let peer = request.prove(now)?;
    let region = &request.certificate.statement().region;
    let authority = app.issuer.authority(region)?;
    request.certificate.verify(&authority.key(), region, peer, now)?;
    let node = app
        .builds
        .renew_node(region, &named(peer)?, app.issuer.life)
        .await?;
    tracing::debug!(node.region = %node.region, node.name = %node.name, "a certificate was renewed");
    app.issuer.issue(peer, node)
}

fn named(peer: PeerId) -> Result<PeerName, Refusal> {
    let name = peer.to_string().parse();
    name.map_err(|error: InvalidPeerName| Refusal::Internal(Box::new(error)))
}
