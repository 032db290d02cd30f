//! What a node says to get a certificate, and how it proves its key. No I/O: these are the bodies of
//! `POST /v1/enrolments` and `POST /v1/enrolments/renew`, made on one side and believed on the other only
//! after they were checked.
//!
//! A request is signed by the node's key over everything that it says, so a copy of it is worth nothing for
//! another key, name or region; and it says when it was made, so a copy is worth nothing later.

use crate::node_key::{InvalidKeyText, NodeKey, Signature};
use crate::{Certificate, Error, Identity, JoinSecret, PeerId, Role};
use jiff::{SignedDuration, Timestamp};
use model::{HostName, RegionName};
use serde::{Deserialize, Serialize};

/// Each begins one kind of signed text, so that a signature made for another purpose is worth nothing.
const ENROLMENT_DOMAIN: &[u8] = b"starling enrolment 1\0";
const RENEWAL_DOMAIN: &[u8] = b"starling certificate renewal 1\0";
/// How far the clocks of a node and of whoever enrols it may be apart. Five minutes is what Kerberos allows
/// (RFC 4120, section 8.2).
const CLOCK_SKEW_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Why a request is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The key is no key, or it did not sign this.
    #[error("the request was not signed by the key that it names")]
    Signature,
    /// It was made too long ago, or in the future.
    #[error("the node's clock is {seconds} s {} the server's", if *.ahead { "ahead of" } else { "behind" })]
    Clock {
        /// By how much, in whole seconds.
        seconds: u64,
        /// In which direction.
        ahead: bool,
    },
}

impl From<InvalidKeyText> for Unproven {
    fn from(_: InvalidKeyText) -> Self {
        Self::Signature
    }
}

/// The first certificate is asked for, with a join token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// The token.
    pub token: JoinSecret,
    /// Where the node wants to be.
    pub region: RegionName,
    /// As what.
    pub role: Role,
    /// Under which name.
    pub name: HostName,
    key: NodeKey,
    at: Timestamp,
    signature: Signature,
}

/// Another certificate is asked for, in exchange for one that has not expired.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalRequest {
    /// The present certificate, which nobody has checked yet.
    #[serde(with = "as_text")]
    pub certificate: Certificate,
    key: NodeKey,
    at: Timestamp,
    signature: Signature,
}

/// The answer to both requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// The new certificate.
    #[serde(with = "as_text")]
    pub certificate: Certificate,
}

impl EnrolmentRequest {
    /// Asks for a place, as this key.
    ///
    /// # Errors
    ///
    /// If the key cannot sign, which no node's key does.
    pub fn new(
        identity: &Identity,
        token: JoinSecret,
        (region, role, name): (RegionName, Role, HostName),
        at: Timestamp,
    ) -> Result<Self, Error> {
        let key = identity.node_key()?;
        let text = enrolment_text(&token, (&region, role, &name), &key, at);
        Ok(Self {
            signature: identity.sign(&text)?,
            token,
            region,
            role,
            name,
            key,
            at,
        })
    }

    /// Who asks, proven.
    ///
    /// # Errors
    ///
    /// If the key did not sign this, or not about now.
    pub fn prove(&self, now: Timestamp) -> Result<PeerId, Unproven> {
        let place = (&self.region, self.role, &self.name);
        let text = enrolment_text(&self.token, place, &self.key, self.at);
        prove(&text, &self.key, &self.signature, self.at, now)
    }
}

impl RenewalRequest {
    /// Asks for another certificate, as this key.
    ///
    /// # Errors
    ///
    /// If the key cannot sign, which no node's key does.
    pub fn new(identity: &Identity, certificate: Certificate, at: Timestamp) -> Result<Self, Error> {
        let key = identity.node_key()?;
        let text = renewal_text(&certificate, &key, at);
        Ok(Self {
            signature: identity.sign(&text)?,
            certificate,
            key,
            at,
        })
    }

    /// Who asks, proven. Whether the certificate is that node's is not checked here.
    ///
    /// # Errors
    ///
    /// If the key did not sign this, or not about now.
    pub fn prove(&self, now: Timestamp) -> Result<PeerId, Unproven> {
        let text = renewal_text(&self.certificate, &self.key, self.at);
        prove(&text, &self.key, &self.signature, self.at, now)
    }
}

fn prove(
    text: &[u8],
    key: &NodeKey,
    signature: &Signature,
    at: Timestamp,
    now: Timestamp,
) -> Result<PeerId, Unproven> {
    if !key.verify(text, signature) {
        return Err(Unproven::Signature);
    }
    let ahead = at.duration_since(now);
    if ahead.abs() > CLOCK_SKEW_MAX {
        return Err(Unproven::Clock {
            seconds: ahead.as_secs().unsigned_abs(),
            ahead: ahead.is_positive(),
        });
    }
    Ok(key.peer()?)
}

/// Every field has a length of its own or ends with a zero byte, which no name holds, so no two requests have
/// one text.
fn enrolment_text(
    token: &JoinSecret,
    (region, role, name): (&RegionName, Role, &HostName),
    key: &NodeKey,
    at: Timestamp,
) -> Vec<u8> {
    let mut text = ENROLMENT_DOMAIN.to_vec();
    text.extend(token.hash());
    text.extend(key.bytes());
    text.extend(at.as_nanosecond().to_be_bytes());
    for word in [region.as_str(), role.as_str(), name.as_str()] {
        text.extend(word.as_bytes());
        text.push(0);
    }
    text
}

fn renewal_text(certificate: &Certificate, key: &NodeKey, at: Timestamp) -> Vec<u8> {
    let mut text = RENEWAL_DOMAIN.to_vec();
    text.extend(key.bytes());
    text.extend(at.as_nanosecond().to_be_bytes());
    text.extend(certificate.to_string().as_bytes());
    text
}

/// A certificate as its text form.
mod as_text {
    use crate::Certificate;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(
        certificate: &Certificate,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(certificate)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Certificate, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authority, Statement};

    fn now() -> Timestamp {
        "2030-01-01T00:00:00Z".parse().unwrap()
    }

    fn request(identity: &Identity) -> EnrolmentRequest {
        let place = ("r1".parse().unwrap(), Role::Host, "h1".parse().unwrap());
        EnrolmentRequest::new(identity, JoinSecret::generate(), place, now()).unwrap()
    }

    #[test]
    fn a_request_proves_the_key_and_everything_that_it_says() {
        let identity = Identity::generate();
        let honest = request(&identity);
        assert_eq!(honest.prove(now()), Ok(identity.peer()));
        let other = request(&Identity::generate());
        let forgeries = [
            EnrolmentRequest {
                token: JoinSecret::generate(),
                ..honest.clone()
            },
            EnrolmentRequest {
                region: "r2".parse().unwrap(),
                ..honest.clone()
            },
            EnrolmentRequest {
                role: Role::Manager,
                ..honest.clone()
            },
            EnrolmentRequest {
                name: "h2".parse().unwrap(),
                ..honest.clone()
            },
            EnrolmentRequest {
                at: now() + SignedDuration::from_secs(1),
                ..honest.clone()
            },
            EnrolmentRequest {
                key: other.key,
                ..honest.clone()
            },
            EnrolmentRequest {
                signature: other.signature,
                ..honest
            },
        ];
        for forgery in forgeries {
            assert_eq!(forgery.prove(now()), Err(Unproven::Signature), "{forgery:?}");
        }
    }

    #[test]
    fn a_copy_is_worth_nothing_later_and_a_wrong_clock_is_named() {
        let copied = request(&Identity::generate());
        let later = |minutes| copied.prove(now() + SignedDuration::from_mins(minutes));
        assert!(later(4).is_ok() && later(-4).is_ok());
        let behind = later(6).unwrap_err();
        assert_eq!(
            behind.to_string(),
            "the node's clock is 360 s behind the server's"
        );
        let ahead = Unproven::Clock {
            seconds: 360,
            ahead: true,
        };
        assert_eq!(later(-6), Err(ahead));
    }

    #[test]
    fn a_renewal_proves_the_key_for_one_certificate() {
        let identity = Identity::generate();
        let issue = |name: &str| {
            let statement = Statement {
                peer: identity.peer(),
                region: "r1".parse().unwrap(),
                name: name.parse().unwrap(),
                role: Role::Host,
                not_after: now(),
            };
            Authority::generate().issue(statement).unwrap()
        };
        let honest = RenewalRequest::new(&identity, issue("h1"), now()).unwrap();
        assert_eq!(honest.prove(now()), Ok(identity.peer()));
        let forgery = RenewalRequest {
            certificate: issue("h2"),
            ..honest
        };
        assert_eq!(forgery.prove(now()), Err(Unproven::Signature));
    }

    #[test]
    fn a_request_reads_back_from_its_text() {
        let identity = Identity::generate();
        let sent = request(&identity);
        let read: EnrolmentRequest = serde_json::from_str(&serde_json::to_string(&sent).unwrap()).unwrap();
        assert_eq!(read.prove(now()), Ok(identity.peer()));
        assert_eq!(read.token.hash(), sent.token.hash());
    }
}
