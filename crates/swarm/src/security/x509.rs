//! The X.509 certificate that a node shows, and what is read from another's.
//!
//! It follows libp2p's TLS specification (<https://github.com/libp2p/specs/blob/master/tls/tls.md>), and
//! `libp2p-tls` makes and checks that part of it. A second, non-critical extension carries the region's
//! certificate.

use super::Failed;
use crate::certificate::CERTIFICATE_LENGTH_MAX;
use crate::{Certificate, Identity, InvalidCertificate, PeerId};
use libp2p::tls::certificate as libp2p_certificate;
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::CertifiedKey;
use std::fmt;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::oid::Oid;
use x509_parser::prelude::FromDer;

/// libp2p's extension, by the specification.
const LIBP2P_EXTENSION: [u64; 9] = [1, 3, 6, 1, 4, 1, 53594, 1, 1];
/// Our extension. Arcs below 2.25 need no registration (ITU-T X.667); this one was drawn at random.
const STARLING_EXTENSION: [u64; 3] = [2, 25, 0x1d0c_8a5e_77b3_f94d];
/// The longest X.509 certificate that is looked at, in bytes. Ours have about 700.
const X509_LENGTH_MAX: usize = 4096;

/// The key of a node's TLS certificates, made when it starts, and libp2p's statement that it speaks for
/// the node's identity.
pub(crate) struct OwnKey {
    key: rcgen::KeyPair,
    libp2p_extension: Vec<u8>,
}

impl OwnKey {
    pub(crate) fn generate(identity: &Identity) -> Result<Self, Failed> {
        let (certificate, key) = libp2p_certificate::generate(&identity.0)?;
        let x509 = parse(&certificate)?;
        let libp2p_extension = extension(&x509, &LIBP2P_EXTENSION)?.to_vec();
        let key = rcgen::KeyPair::try_from(&key)?;
        Ok(Self {
            key,
            libp2p_extension,
        })
    }

    /// A certificate that says both who we are and what the region's authority says of us.
    pub(crate) fn certify(&self, certificate: &Certificate) -> Result<CertifiedKey, Failed> {
        let mut libp2p =
            rcgen::CustomExtension::from_oid_content(&LIBP2P_EXTENSION, self.libp2p_extension.clone());
        libp2p.set_criticality(true);
        let bytes = postcard::to_stdvec(certificate).map_err(|_| InvalidCertificate::Malformed)?;
        let starling = rcgen::CustomExtension::from_oid_content(&STARLING_EXTENSION, bytes);
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.custom_extensions = vec![libp2p, starling];
        let x509 = params.self_signed(&self.key)?;
        let key = PrivateKeyDer::Pkcs8(self.key.serialize_der().into());
        Ok(CertifiedKey::new(vec![x509.der().clone()], any_ecdsa_type(&key)?))
    }
}

impl fmt::Debug for OwnKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OwnKey")
    }
}

/// Who shows a certificate, and what it says about the region. Proves that the identity signed the
/// certificate's key; whether the region's authority said what is said is the caller's to check.
pub(crate) fn read(certificate: &CertificateDer<'_>) -> Result<(PeerId, Certificate), InvalidCertificate> {
    if certificate.len() > X509_LENGTH_MAX {
        return Err(InvalidCertificate::Malformed);
    }
    let proven = libp2p_certificate::parse(certificate).map_err(|_| InvalidCertificate::Malformed)?;
    Ok((PeerId(proven.peer_id()), carried(certificate)?))
}

/// Whose certificate this is. Only for one that a handshake has accepted.
pub(crate) fn peer_of(certificate: &CertificateDer<'_>) -> Result<PeerId, InvalidCertificate> {
    Ok(carried(certificate)?.statement().peer)
}

/// The key that must have signed the handshake.
pub(super) fn public_key(
    certificate: &CertificateDer<'_>,
) -> Result<SubjectPublicKeyInfoDer<'static>, InvalidCertificate> {
    let x509 = parse(certificate)?;
    Ok(SubjectPublicKeyInfoDer::from(x509.public_key().raw.to_vec()))
}

fn carried(certificate: &CertificateDer<'_>) -> Result<Certificate, InvalidCertificate> {
    let x509 = parse(certificate)?;
    let bytes = extension(&x509, &STARLING_EXTENSION)?;
    if bytes.len() > CERTIFICATE_LENGTH_MAX {
        return Err(InvalidCertificate::Malformed);
    }
    postcard::from_bytes(bytes).map_err(|_| InvalidCertificate::Malformed)
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, InvalidCertificate> {
    match X509Certificate::from_der(certificate) {
        Ok(([], x509)) => Ok(x509),
        _ => Err(InvalidCertificate::Malformed),
    }
}

fn extension<'a>(x509: &X509Certificate<'a>, name: &[u64]) -> Result<&'a [u8], InvalidCertificate> {
    let name = Oid::from(name).map_err(|_| InvalidCertificate::Malformed)?;
    match x509.get_extension_unique(&name) {
        Ok(Some(found)) => Ok(found.value),
        Ok(None) => Err(InvalidCertificate::Missing),
        Err(_) => Err(InvalidCertificate::Malformed),
    }
}
