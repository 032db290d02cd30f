//! Whom nobody in the region may talk to any more, asked of the API every few seconds.
//!
//! Every manager asks, whether it leads or not, since revoked hosts may call on any. While the API is away the
//! last list stands.

use crate::Config;
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
        let task = tokio::spawn(ask_for_ever(question, config.period, swarm, sender));
        Self {
            revoked,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn revoked(&self) -> watch::Receiver<Revoked> {
        self.revoked.clone()
    }
}

async fn ask_for_ever(
    mut question: Question,
    period: Duration,
    swarm: Handle,
    revoked: watch::Sender<Revoked>,
) {
    loop {
        match question.ask().await {
            Ok(None) => {}
            Ok(Some(now)) => {
                let peers = now.peers.iter().copied().collect();
                if let Err(error) = swarm.set_revoked(peers).await {
                    tracing::error!(%error, "the swarm does not keep revoked peers out");
                }
                revoked.send_replace(Arc::new(now));
            }
            Err(error) => {
                let error = &*error as &dyn std::error::Error;
                tracing::warn!(error, "failed to ask who is revoked; going on with those known");
            }
        }
        tokio::time::sleep(period).await;
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
