//! Who is let in: mutual TLS 1.3 in which both ends show what the region's authority says of them.
//!
//! Every connection, of either plane, begins with the same handshake. Each end shows a self-signed X.509
//! certificate ([`x509`]) with two extensions: libp2p's, which binds the certificate's key to the node's
//! identity, and ours, which carries the region's [`Certificate`](crate::Certificate) for that identity.
//! Each end checks both before the handshake ends ([`verifier`]), so an identity that this region has not
//! certified, or has revoked, is closed before any stream opens.
//!
//! On the control plane rustls goes on to encrypt what is said; on the bulk plane we do, with its keys ([`records`]).
//!
//! What is shown, and who is revoked, may change while the node runs; the next handshake goes by it.
//! Sessions are never resumed: a resumed session would skip the checks.

mod channel;
mod counted;
mod gate;
mod gated;
pub(crate) mod handshake;
mod keys;
mod records;
pub(crate) mod tls;
mod upgrade;
mod verifier;
pub(crate) mod x509;

use crate::{AuthorityKey, Certificate, Identity, InvalidCertificate, PeerId};
use jiff::Timestamp;
use model::RegionName;
use rustls::sign::CertifiedKey;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

pub(crate) use channel::{Reader, Writer};
pub(crate) use gate::Gate;
pub(crate) use gated::Gated;
pub(crate) use handshake::Secured;
pub(crate) use records::Broken;
pub(crate) use tls::{Failed, Plane, Tls};
pub(crate) use upgrade::Upgrade;
pub(crate) use x509::peer_of;

/// Peers that may be revoked at a time.
pub(crate) const REVOKED_MAX: usize = 16_384;

/// What a node shows in a handshake, and whom it believes. Shared by everything that opens or takes
/// connections.
#[derive(Debug)]
pub(crate) struct Security {
    authority: AuthorityKey,
    region: RegionName,
    own: x509::OwnKey,
    shown: RwLock<Arc<CertifiedKey>>,
    revoked: RwLock<HashSet<PeerId>>,
}

impl Security {
    /// Shows `certificate`, whether or not anybody will believe it.
    ///
    /// # Errors
    ///
    /// If the system has no randomness for a key.
    pub(crate) fn new(
        identity: &Identity,
        certificate: &Certificate,
        authority: &AuthorityKey,
    ) -> Result<Arc<Self>, Failed> {
        let own = x509::OwnKey::generate(identity)?;
        let shown = Arc::new(own.certify(certificate)?);
        Ok(Arc::new(Self {
            authority: authority.clone(),
            region: certificate.statement().region.clone(),
            own,
            shown: RwLock::new(shown),
            revoked: RwLock::new(HashSet::new()),
        }))
    }

    /// Checks what somebody shows: who signed it, for which key, for which region, until when, and
    /// whether it was taken back.
    ///
    /// # Errors
    ///
    /// The first of these that is wrong.
    pub(crate) fn examine(&self, peer: PeerId, certificate: &Certificate) -> Result<(), InvalidCertificate> {
        certificate.verify(&self.authority, &self.region, peer, Timestamp::now())?;
        if self.is_revoked(&peer) {
            return Err(InvalidCertificate::Revoked(peer));
        }
        Ok(())
    }

    /// Shows another certificate from the next handshake on.
    ///
    /// # Errors
    ///
    /// If it cannot be encoded, which no certificate of the right length is.
    pub(crate) fn show(&self, certificate: &Certificate) -> Result<(), Failed> {
        let shown = Arc::new(self.own.certify(certificate)?);
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = shown;
        Ok(())
    }

    /// Refuses these peers, and no others, from the next handshake on.
    pub(crate) fn revoke(&self, peers: HashSet<PeerId>) {
        *self.revoked.write().unwrap_or_else(PoisonError::into_inner) = peers;
    }

    pub(crate) fn is_revoked(&self, peer: &PeerId) -> bool {
        self.revoked
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(peer)
    }

    fn shown(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }
}
