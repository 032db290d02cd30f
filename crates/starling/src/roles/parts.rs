//! Parts that several roles are put together from, and their tables in a role's configuration.

use anyhow::Context as _;
use artifact::{PublicKey, TrustedKeys};
use artifact_store::Store;
use backon::{ExponentialBuilder, Retryable as _};
use database::{Builds, Jobs, Limits};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use swarm::{AuthorityKey, Certificate, Identity};

/// One object store, as a client sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// Such as `http://127.0.0.1:9000`; left out for AWS.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    #[serde(default = "default_signing_region")]
    pub signing_region: String,
    /// The bucket.
    pub bucket: String,
    /// The key's public half.
    pub access_key_id: String,
    /// A file that holds the key's secret half.
    pub secret_access_key_file: PathBuf,
}

fn default_signing_region() -> String {
    "us-east-1".to_owned()
}

impl StoreSettings {
    /// What the client is told, with the secret read from its file.
    pub fn config(&self) -> anyhow::Result<artifact_store::Config> {
        Ok(artifact_store::Config {
            endpoint: self.endpoint.clone(),
            signing_region: self.signing_region.clone(),
            bucket: self.bucket.clone(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: read_secret(&self.secret_access_key_file)?.into(),
        })
    }

    /// Connects, and makes the bucket unless it is there, trying again while the store is away.
    pub async fn connect(&self) -> anyhow::Result<Store> {
        let store = Store::connect(&self.config()?)?;
        make_bucket(&store)
            .await
            .context("failed to reach the object store")?;
        Ok(store)
    }
}

/// Makes a store's bucket unless it is there, trying again while the store is away.
pub async fn make_bucket(store: &Store) -> Result<(), artifact_store::Error> {
    (|| store.ensure_bucket())
        .retry(patience())
        .notify(|error, _| tracing::warn!(%error, "the object store is not there yet"))
        .await
}

/// A node of a swarm.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwarmSettings {
    /// The node's key; made when it is missing.
    pub identity_file: PathBuf,
    /// The certificate that its region's authority issued for that key. An `[enrolment]` table gets one and
    /// keeps it new; without it, somebody else does.
    pub certificate_file: PathBuf,
    /// The authority's public key.
    pub authority: String,
    /// Where to listen, as multiaddresses.
    pub listen: Vec<String>,
    /// The TCP port for bytes of pieces, on the same addresses; 0, or left out, takes a free one.
    #[serde(default)]
    pub bulk_port: u16,
}

impl SwarmSettings {
    /// The node's key, made when it is missing.
    pub fn identity(&self) -> anyhow::Result<Identity> {
        Ok(Identity::load_or_create(&self.identity_file)?)
    }

    /// Whose signature must be under every certificate.
    pub fn authority(&self) -> anyhow::Result<AuthorityKey> {
        self.authority.parse().context("`swarm.authority` is no key")
    }

    /// The certificate that somebody put into the file.
    pub fn certificate(&self) -> anyhow::Result<Certificate> {
        fs_err::read_to_string(&self.certificate_file)?
            .parse()
            .with_context(|| format!("{} holds no certificate", self.certificate_file.display()))
    }

    /// What the node is told.
    pub fn config(&self, certificate: Certificate) -> anyhow::Result<swarm::Config> {
        let mut config = swarm::Config::new(self.identity()?, certificate, self.authority()?);
        config.listen.clone_from(&self.listen);
        config.bulk_port = self.bulk_port;
        Ok(config)
    }
}

/// Connects to the jobs database and brings its tables up to date, trying again while it is away.
pub async fn jobs(url: &str) -> anyhow::Result<Jobs> {
    let connect = || async {
        let jobs = Jobs::connect(url, Limits::default()).await?;
        jobs.migrate().await?;
        Ok(jobs)
    };
    connect
        .retry(patience())
        .when(database::Error::is_transient)
        .await
        .context("failed to use the jobs database")
}

/// Connects to the builds database and brings its tables up to date, trying again while it is away.
pub async fn builds(url: &str) -> anyhow::Result<Builds> {
    let connect = || async {
        let builds = Builds::connect(url, Limits::default()).await?;
        builds.migrate().await?;
        Ok(builds)
    };
    connect
        .retry(patience())
        .when(database::Error::is_transient)
        .await
        .context("failed to use the builds database")
}

/// The public keys of a configuration.
pub fn trusted_keys(keys: &[String]) -> anyhow::Result<TrustedKeys> {
    let keys = keys
        .iter()
        .map(|key| key.parse::<PublicKey>())
        .collect::<Result<Vec<_>, _>>();
    Ok(TrustedKeys::new(
        keys.context("`trusted_keys` holds something that is no key")?,
    )?)
}

/// A secret that a file holds, without the line's end.
pub fn read_secret(file: &Path) -> anyhow::Result<String> {
    Ok(fs_err::read_to_string(file)?.trim().to_owned())
}

/// For parts that may come up later than this one: about five minutes in all, then the role ends with
/// the error, and whoever keeps it running starts it again.
fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(10))
        .with_max_times(35)
}
