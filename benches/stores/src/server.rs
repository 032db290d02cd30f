//! A store in a process of its own.

use crate::part::arguments_of;
use anyhow::Context as _;
use artifact_store::server::{Config, Server};
use artifact_store::{PartSender, Patience, SecretAccessKey, Store};
use local_services::{Child, ParentDeath, free_port};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// The only user of every store here; nothing in it is secret.
pub(crate) const ACCESS_KEY_ID: &str = "starling";
pub(crate) const SECRET_ACCESS_KEY: &str = "murmuration";
pub(crate) const SIGNING_REGION: &str = "us-east-1";
/// The only bucket.
pub(crate) const BUCKET: &str = "bench";
/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A running server with one bucket. It ends when this is dropped.
#[derive(Debug)]
pub struct StoreServer {
    child: Child,
    /// Holds everything that it stores.
    root: PathBuf,
    address: SocketAddr,
}

impl StoreServer {
    /// Starts one whose objects lie in `root`, and makes the bucket. The bench's `main` must give the part `store` to
    /// [`serve`].
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(root: &Path) -> anyhow::Result<Self> {
        fs_err::create_dir_all(root)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let root_text = root.to_str().context("the folder's name is UTF-8")?;
        let mut child = Child::start(
            &std::env::current_exe()?,
            arguments_of("store", [root_text, &address.to_string()]),
            &[],
            ParentDeath::Kill,
            &root.join("log"),
        )?;
        child
            .wait_until(START_LIMIT, async || TcpStream::connect(address).await.is_ok())
            .await?;
        let server = Self {
            child,
            root: root.to_owned(),
            address,
        };
        server.store()?.ensure_bucket().await?;
        Ok(server)
    }

    /// Its process id.
    ///
    /// # Errors
    /// When it has ended.
    pub fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the store runs")
    }

    /// Where it is, with the protocol.
    pub fn endpoint(&self) -> String {
        endpoint(self.address)
    }

    /// A client of ours.
    ///
    /// # Errors
    /// Never for this configuration.
    pub fn store(&self) -> anyhow::Result<Store> {
        client(&self.endpoint())
    }

    /// Ends it and deletes what it stored.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn end(self) -> anyhow::Result<()> {
        self.child.kill().await?;
        Ok(fs_err::remove_dir_all(self.root)?)
    }
}

/// A client of ours for the server at an endpoint, for a process that plays a part.
///
/// # Errors
/// When it is no endpoint.
pub fn client(endpoint: &str) -> anyhow::Result<Store> {
    Ok(Store::connect(&config(endpoint))?)
}

/// What sends parts to any server, as a worker does.
///
/// # Errors
/// When the system's TLS certificates can't be used.
pub fn sender() -> anyhow::Result<PartSender> {
    // An earlier call may have installed it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Ok(PartSender::new(Patience::default())?)
}

/// How a client of ours reaches the server at an endpoint.
pub fn config(endpoint: &str) -> artifact_store::Config {
    artifact_store::Config {
        endpoint: Some(endpoint.to_owned()),
        signing_region: SIGNING_REGION.to_owned(),
        bucket: BUCKET.to_owned(),
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SecretAccessKey::from(SECRET_ACCESS_KEY.to_owned()),
    }
}

fn endpoint(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// The part `store` with the arguments ROOT ADDRESS: what `starling store` serves, until the process is killed.
///
/// # Errors
/// When it can't listen or open its folder.
pub fn serve(arguments: &[String]) -> anyhow::Result<()> {
    let [root, address] = arguments else {
        anyhow::bail!("a store is told its folder and its address")
    };
    let config = Config {
        root: root.into(),
        listen: address.parse()?,
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SecretAccessKey::from(SECRET_ACCESS_KEY.to_owned()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        Server::bind(config).await?.run(CancellationToken::new()).await;
        Ok(())
    })
}
