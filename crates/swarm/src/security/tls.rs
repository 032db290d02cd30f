//! How TLS is spoken here: version 1.3 only, AES-GCM on aws-lc-rs, both ends certified, nothing resumed.

use super::keys::Newest;
use super::verifier::Verifier;
use super::{Security, peer_of};
use crate::{Error, InvalidCertificate, PeerId};
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::{IpAddr, Ipv4Addr, ServerName};
use rustls::{ClientConfig, CommonState, ServerConfig};
use std::io;
use std::sync::Arc;

/// What a connection is for. Each has an application protocol (ALPN) of its own, so that what was said on
/// one is worth nothing on the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plane {
    /// Small messages, over libp2p.
    Control,
    /// Bytes of pieces.
    Bulk,
}

impl Plane {
    fn protocol(self) -> &'static [u8] {
        match self {
            Self::Control => b"starling-control/1",
            Self::Bulk => b"starling-bulk/1",
        }
    }
}

/// Why a secure connection could not be prepared or did not come about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// No key, or no certificate for it, could be made.
    #[error("failed to make a certificate for TLS")]
    Make(#[from] rcgen::Error),
    /// The same, for libp2p's part of it.
    #[error("failed to make a libp2p certificate")]
    MakeLibp2p(#[from] libp2p::tls::certificate::GenError),
    /// The far end, or we, did not like what was shown.
    #[error("the handshake failed")]
    Handshake(#[from] io::Error),
    /// TLS could not be set up.
    #[error("failed to prepare TLS")]
    Tls(#[from] rustls::Error),
    /// It is no certificate of this region.
    #[error("a certificate is of no use")]
    Certificate(#[from] InvalidCertificate),
    /// The far end does not speak our protocol.
    #[error("the far end speaks another protocol")]
    Protocol,
}

impl Failed {
    /// For whoever starts a node.
    pub(crate) fn into_error(self) -> Error {
        Error::Io {
            doing: "prepare the network".to_owned(),
            source: Arc::new(io::Error::other(self)),
        }
    }
}

/// Both halves of one plane's configuration. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) server: Arc<ServerConfig>,
    plane: Plane,
}

impl Tls {
    pub(crate) fn new(security: &Arc<Security>, plane: Plane) -> Result<Self, Failed> {
        let mut provider = aws_lc_rs::default_provider();
        // Where a processor has AES, half the price of ChaCha20 (DESIGN §8); all of ours do.
        provider.cipher_suites = vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
        ];
        let provider = Arc::new(provider);
        let verifier = || Arc::new(Verifier(Arc::clone(security)));
        let newest = || Arc::new(Newest(Arc::clone(security)));

        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier())
            .with_client_cert_resolver(newest());
        client.alpn_protocols = vec![plane.protocol().to_vec()];
        client.resumption = rustls::client::Resumption::disabled();
        client.enable_sni = false;
        client.enable_secret_extraction = plane == Plane::Bulk;

        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier())
            .with_cert_resolver(newest());
        server.alpn_protocols = vec![plane.protocol().to_vec()];
        server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.enable_secret_extraction = plane == Plane::Bulk;

        Ok(Self {
            client: Arc::new(client),
            server: Arc::new(server),
            plane,
        })
    }

    /// Who is at the far end of a connection whose handshake has ended well.
    pub(crate) fn far_end(&self, connection: &CommonState) -> Result<PeerId, Failed> {
        // One that offers no protocol at all is not refused by rustls.
        if connection.alpn_protocol() != Some(self.plane.protocol()) {
            return Err(Failed::Protocol);
        }
        let shown = connection
            .peer_certificates()
            .and_then(<[_]>::first)
            .ok_or(InvalidCertificate::Missing)?;
        Ok(peer_of(shown)?)
    }
}

/// rustls wants a name for the far end. Nobody here goes by names, and none is sent.
pub(crate) fn nobody() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0, 0, 0, 0])))
}
