//! Who may take part in the region, and whose signature counts.

use anyhow::Context as _;
use artifact::SigningKey;
use jiff::{SignedDuration, Timestamp};
use model::RegionName;
use std::path::Path;
use swarm::{Authority, Identity, PeerId, Role, Statement};

/// Longer than any bench runs.
const CERTIFICATE_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// The region's authority and the builder's key.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) region: RegionName,
    pub(crate) authority: Authority,
    pub(crate) signing: SigningKey,
}

impl Keys {
    pub(crate) fn generate(region: RegionName) -> Self {
        Self {
            region,
            authority: Authority::generate(),
            signing: SigningKey::generate(rand::random()),
        }
    }

    /// Makes a node's key and certificate; the `[swarm]` table of its configuration, and its peer id.
    pub(crate) fn enrol(
        &self,
        folder: &Path,
        (name, role): (&str, Role),
        listen: &str,
    ) -> anyhow::Result<(String, PeerId)> {
        let identity_file = folder.join(format!("{name}.identity"));
        let certificate_file = folder.join(format!("{name}.certificate"));
        let identity = Identity::load_or_create(&identity_file)?;
        let statement = Statement {
            peer: identity.peer(),
            region: self.region.clone(),
            name: name.parse()?,
            role,
            not_after: Timestamp::now() + CERTIFICATE_LIFE,
        };
        let certificate = self
            .authority
            .issue(statement)
            .context("failed to certify a node")?;
        fs_err::write(&certificate_file, certificate.to_string())?;
        let table = format!(
            "\n[swarm]\nidentity_file = {identity_file:?}\ncertificate_file = {certificate_file:?}\n\
             authority = \"{}\"\nlisten = [\"{listen}\"]\n",
            self.authority.key()
        );
        Ok((table, identity.peer()))
    }
}
