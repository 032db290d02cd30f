//! Whom nobody in the region may talk to any more, asked of the API every few seconds.
//!
//! Every manager asks, whether it leads or not, since revoked hosts may call on any. While the API is away the
//! last list stands, also over a restart.

mod memory;

use crate::Config;
use memory::Memory;
use model::PeerName;
use model::host::HOST_REVOKED_MAX;
use model::node::RevokedPeers;
use reqwest::{StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use swarm::{Handle, PeerId};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// The longest list that is read, in bytes: 10,000 peer ids of 52 letters and what JSON puts around them.
const LIST_LENGTH_MAX: usize = 1 << 20;

/// Everybody who is revoked.
pub(crate) type Revoked = Arc<RevokedSet>;

/// The peers that are revoked.
#[derive(Debug, Default)]
pub(crate) struct RevokedSet {
    /// The last revoked first.
    names: Vec<PeerName>,
    peers: HashSet<PeerId>,
}

impl RevokedSet {
    /// Fails if a name is no peer's: of a list that cannot be read whole nobody is let in again.
    fn new(list: RevokedPeers) -> Result<Self, swarm::Error> {
        let peers = list.peers.iter().map(|name| name.as_str().parse());
        Ok(Self {
            peers: peers.collect::<Result<_, _>>()?,
            names: list.peers,
        })
    }

    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.peers.contains(peer)
    }

    /// The list as the API says it.
    fn list(&self) -> RevokedPeers {
        RevokedPeers {
            peers: self.names.clone(),
        }
    }

    /// Those whom a host must be told to keep out. Who was revoked longer ago than so many others is nobody's
    /// neighbour any more.
    pub(crate) fn for_a_host(&self) -> Vec<PeerName> {
        self.names.iter().take(HOST_REVOKED_MAX).cloned().collect()
    }
}

/// The task that asks; ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Revocations {
    revoked: watch::Receiver<Revoked>,
    _task: AbortOnDropHandle<()>,
}

impl Revocations {
    pub(crate) fn start(config: &Config, http: reqwest::Client, swarm: Handle) -> Self {
        let (sender, revoked) = watch::channel(Revoked::default());
        let question = Question {
            http,
            url: format!(
                "{}/v1/regions/{}/revoked",
                config.api.trim_end_matches('/'),
                config.region
            ),
            token: config.token.clone(),
            tag: None,
        };
        let told = Told {
            memory: Memory::new(config.revoked_file.clone()),
            swarm,
            revoked: sender,
        };
        let task = tokio::spawn(ask_for_ever(question, config.period, told));
        Self {
            revoked,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn revoked(&self) -> watch::Receiver<Revoked> {
        self.revoked.clone()
    }
}

async fn ask_for_ever(mut question: Question, period: Duration, told: Told) {
    match told.memory.recall().await.map(RevokedSet::new) {
        Ok(Ok(known)) => told.keep_out(known).await,
        Ok(Err(error)) => {
            tracing::error!(%error, "what was kept of revoked peers is of no use; asking the API")
        }
        Err(error) => tracing::error!(%error, "failed to read who was revoked; asking the API"),
    }
    loop {
        match question.ask().await {
            Ok(None) => {}
            Ok(Some(now)) => {
                if let Err(error) = told.memory.keep(now.list()).await {
                    tracing::error!(%error, "revoked peers are kept out until this process ends, and not longer");
                }
                told.keep_out(now).await;
            }
            Err(error) => {
                let error = &*error as &dyn std::error::Error;
                tracing::warn!(error, "failed to ask who is revoked; going on with those known");
            }
        }
        tokio::time::sleep(period).await;
    }
}

/// Who hears of revoked peers.
struct Told {
    memory: Memory,
    swarm: Handle,
    revoked: watch::Sender<Revoked>,
}

impl Told {
    async fn keep_out(&self, now: RevokedSet) {
        let peers = now.peers.iter().copied().collect();
        if let Err(error) = self.swarm.set_revoked(peers).await {
            tracing::error!(%error, "the swarm does not keep revoked peers out");
        }
        self.revoked.send_replace(Arc::new(now));
    }
}

/// The question, and the tag of its last answer.
struct Question {
    http: reqwest::Client,
    url: String,
    token: SecretString,
    tag: Option<header::HeaderValue>,
}

impl Question {
    /// The whole list; none when it has not changed.
    async fn ask(&mut self) -> Result<Option<RevokedSet>, Box<dyn std::error::Error + Send + Sync>> {
        let mut request = self.http.get(&self.url).bearer_auth(self.token.expose_secret());
        if let Some(tag) = &self.tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let mut answer = request.send().await?.error_for_status()?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let tag = answer.headers().get(header::ETAG).cloned();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > LIST_LENGTH_MAX {
                return Err("the list of revoked peers is too long".into());
            }
        }
        let revoked = RevokedSet::new(serde_json::from_slice(&body)?)?;
        self.tag = tag;
        Ok(Some(revoked))
    }
}
