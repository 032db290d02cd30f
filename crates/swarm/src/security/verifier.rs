//! The checks that both ends of a handshake make.

use super::{Security, x509};
use crate::{InvalidCertificate, metrics};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, PeerIncompatible, SignatureScheme,
};
use std::sync::Arc;

/// Asks [`Security`] about whoever is at the far end.
#[derive(Debug)]
pub(super) struct Verifier(pub(super) Arc<Security>);

impl Verifier {
    fn admit(&self, shown: &CertificateDer<'_>, more: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let examined = x509::read(shown).and_then(|(peer, certificate)| {
            if !more.is_empty() {
                return Err(InvalidCertificate::Malformed);
            }
            self.0.examine(peer, &certificate)
        });
        examined.map_err(|reason| {
            tracing::debug!(%reason, "a handshake was refused");
            metrics::count(metrics::STRANGERS_REFUSED, 1);
            refusal(reason)
        })
    }

    fn signed(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = x509::public_key(shown).map_err(refusal)?;
        verify_tls13_signature_with_raw_key(message, &key, signature, &algorithms())
    }
}

fn refusal(reason: InvalidCertificate) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(reason))).into()
}

/// The methods that rustls asks of both kinds of verifier.
macro_rules! same_on_both_ends {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            shown: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            self.signed(message, shown, signature)
        }

        /// What [`x509::OwnKey`] signs with; nobody here has another kind of key.
        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ECDSA_NISTP256_SHA256]
        }
    };
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    aws_lc_rs::default_provider().signature_verification_algorithms
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.admit(shown, more).map(|()| ServerCertVerified::assertion())
    }

    same_on_both_ends!();
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.admit(shown, more).map(|()| ClientCertVerified::assertion())
    }

    same_on_both_ends!();
}
