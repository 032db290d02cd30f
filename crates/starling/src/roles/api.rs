//! `starling api`: the API and the console.

use super::parts::{self, StoreSettings};
use crate::observe;
use anyhow::Context as _;
use artifact::SigningKey;
use artifact_store::Store;
use console::Token;
use model::RegionName;
use model::repository::LocalRepositories;
use repository_mirror::Mirrors;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use swarm::Authority;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The role's configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where `/` and `/v1` are served.
    pub listen: SocketAddr,
    /// The jobs database.
    pub jobs_url: String,
    /// The builds database.
    pub builds_url: String,
    /// The main store, to which workers' artifacts are published, and where the logs of builds that have ended are.
    pub store: StoreSettings,
    /// A file that holds the key that signs the provenance of artifacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key_file: Option<PathBuf>,
    /// The key itself, for the environment: `STARLING_API_SIGNING_KEY`. One of the two is given.
    #[serde(default, skip_serializing)]
    pub signing_key: Option<SecretString>,
    /// Where this role keeps its mirrors of repositories.
    pub mirrors: PathBuf,
    /// Whether `file://` repositories may be registered.
    #[serde(default = "refused")]
    pub local_repositories: LocalRepositories,
    /// Whether the login cookie is sent over HTTPS only; false only on loopback.
    #[serde(default = "yes")]
    pub secure_cookie: bool,
    /// What `starling collect` keeps of artifacts that nobody needs.
    #[serde(default)]
    pub retention: retention::Policy,
    /// Who may speak.
    pub tokens: Vec<Token>,
    /// The authorities of the regions whose nodes are enrolled here.
    #[serde(default)]
    pub authorities: Vec<AuthoritySettings>,
    /// How long a node's certificate is valid. It renews its own after two thirds of that.
    #[serde(default = "a_week")]
    pub certificate_life_seconds: u32,
    #[serde(default)]
    pub observe: observe::Settings,
}

/// A region's authority. Its private key is nowhere else.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoritySettings {
    /// Whose nodes it certifies.
    pub region: RegionName,
    /// The file with its key; made when it is missing.
    pub key_file: PathBuf,
}

/// Certificates of revoked nodes must be told to everybody for so long, and an API may be away for a third of it.
pub const A_WEEK: u32 = 7 * 24 * 3_600;

const fn a_week() -> u32 {
    A_WEEK
}

pub fn refused() -> LocalRepositories {
    LocalRepositories::Refused
}

const fn yes() -> bool {
    true
}

/// The key that signs, from the one place that was given.
fn signing_key(settings: &Settings) -> anyhow::Result<SigningKey> {
    match (&settings.signing_key_file, &settings.signing_key) {
        (Some(file), None) => SigningKey::from_hex(fs_err::read_to_string(file)?.trim())
            .with_context(|| format!("{} holds no key", file.display())),
        (None, Some(key)) => SigningKey::from_hex(key.expose_secret()).context("`signing_key` holds no key"),
        _ => anyhow::bail!("give either `signing_key_file` or `signing_key`"),
    }
}

pub async fn run(settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    let readiness = observe::start("api", &settings.observe, stop.clone()).await?;
    let signing_key = signing_key(&settings)?;
    let jobs = parts::jobs(&settings.jobs_url).await?;
    let builds = parts::builds(&settings.builds_url).await?;
    let mirrors = Mirrors::new(settings.mirrors, settings.local_repositories).await?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("failed to listen on {}", settings.listen))?;
    // Only prepared: while the store is away, everything else here goes on.
    let store = Store::connect(&settings.store.config()?)?;
    let config = console::Config {
        tokens: settings.tokens,
        local_repositories: settings.local_repositories,
        secure_cookie: settings.secure_cookie,
        signing_key,
        retention: settings.retention,
        authorities: authorities(settings.authorities)?,
        certificate_life: Duration::from_secs(settings.certificate_life_seconds.into()),
    };
    let service = console::Service::new(
        config,
        listener,
        console::Parts {
            jobs,
            builds,
            store: store.clone(),
            mirrors,
        },
    )?;
    readiness.ready();
    let (result, ()) = tokio::join!(service.run(stop.clone()), make_bucket(&store, &stop));
    Ok(result?)
}

/// Makes the main store's bucket unless it is there, while everything else here goes on.
async fn make_bucket(store: &Store, stop: &CancellationToken) {
    let made = stop.run_until_cancelled(parts::make_bucket(store)).await;
    if let Some(Err(error)) = made {
        let error = &error as &dyn std::error::Error;
        tracing::error!(
            error,
            "failed to make the main store's bucket; nothing can be published"
        );
    }
}

/// Reads or makes the keys. A region that is named twice would have two, of which one is wrong.
fn authorities(settings: Vec<AuthoritySettings>) -> anyhow::Result<BTreeMap<RegionName, Authority>> {
    let mut authorities = BTreeMap::new();
    for AuthoritySettings { region, key_file } in settings {
        let authority = Authority::load_or_create(&key_file)?;
        tracing::info!(region.name = %region, authority.key = %authority.key(), "enrols the nodes of a region");
        anyhow::ensure!(
            authorities.insert(region.clone(), authority).is_none(),
            "`authorities` names region {region} twice"
        );
    }
    Ok(authorities)
}
