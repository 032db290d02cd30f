//! What engineers ask about the output of tasks: the questions are fetched from the API, put to the hosts, and the answers
//! are brought back.
//!
//! Nobody can reach into a region from outside, so its leader asks the API for questions, and is kept waiting until there
//! are some. A question that gets lost is asked again by whoever reads.

use crate::Config;
use model::task_log::{
    LOG_QUESTIONS_MAX, LOG_QUESTIONS_WAIT_SECONDS, LogAnswer, LogAsked, LogsAsked, ManagerRequest,
    ManagerResponse,
};
use model::{HostName, RegionName};
use secrecy::{ExposeSecret as _, SecretString};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use swarm::{Handle, PeerId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// How long the API may take beyond the time that it keeps the manager waiting.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long a host may take; it waits for news itself for half of this.
const HOST_LIMIT: Duration = Duration::from_secs(10);
/// The pause after the API could not be asked.
const RETRY_DELAY: Duration = Duration::from_secs(2);
/// The longest list of questions, in bytes.
const LIST_LENGTH_MAX: usize = 64 << 10;

/// Where a host is reached.
#[derive(Debug)]
pub(crate) struct Whereabouts {
    pub(crate) peer: PeerId,
    pub(crate) addresses: Vec<String>,
}

/// A wish to know where a host is reached.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) host: HostName,
    pub(crate) reply: oneshot::Sender<Option<Whereabouts>>,
}

/// The task that carries questions and answers; ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Logs {
    lookups: mpsc::Receiver<Lookup>,
    _task: AbortOnDropHandle<()>,
}

impl Logs {
    pub(crate) fn start(config: &Config, http: reqwest::Client, swarm: Handle) -> Self {
        let (sender, lookups) = mpsc::channel(LOG_QUESTIONS_MAX);
        let carrier = Carrier {
            http,
            url: format!(
                "{}/v1/regions/{}/logs",
                config.api.trim_end_matches('/'),
                config.region
            ),
            token: config.token.clone(),
            region: config.region.clone(),
            swarm,
            lookups: sender,
        };
        let task = tokio::spawn(Arc::new(carrier).carry_for_ever());
        Self {
            lookups,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// The next host that somebody asks.
    pub(crate) async fn next_lookup(&mut self) -> Option<Lookup> {
        self.lookups.recv().await
    }
}

/// Carries questions to hosts, and answers to the API.
struct Carrier {
    http: reqwest::Client,
    url: String,
    token: SecretString,
    region: RegionName,
    swarm: Handle,
    lookups: mpsc::Sender<Lookup>,
}

type Failure = Box<dyn Error + Send + Sync>;

impl Carrier {
    async fn carry_for_ever(self: Arc<Self>) {
        let mut carried = JoinSet::new();
        let mut away = false;
        loop {
            while carried.len() >= LOG_QUESTIONS_MAX {
                carried.join_next().await;
            }
            while carried.try_join_next().is_some() {}
            match self.fetch().await {
                Ok(questions) => {
                    away = false;
                    for asked in questions.asked.into_iter().take(LOG_QUESTIONS_MAX) {
                        carried.spawn(self.clone().carry(asked));
                    }
                }
                Err(error) => {
                    // Once is enough; that the API is away is told by the reports, too.
                    if !std::mem::replace(&mut away, true) {
                        let error = &*error as &dyn Error;
                        tracing::warn!(error, region.name = %self.region, "failed to ask for questions about logs; trying again");
                    }
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    async fn fetch(&self) -> Result<LogsAsked, Failure> {
        let seconds = LOG_QUESTIONS_WAIT_SECONDS;
        let request = self
            .http
            .get(format!("{}/asked?wait_seconds={seconds}", self.url))
            .timeout(ANSWER_LIMIT + Duration::from_secs(seconds.into()))
            .bearer_auth(self.token.expose_secret());
        let mut answer = request.send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > LIST_LENGTH_MAX {
                return Err("the list of questions is too long".into());
            }
        }
        Ok(serde_json::from_slice(&body)?)
    }

    async fn carry(self: Arc<Self>, asked: LogAsked) {
        let LogAsked { id, host, question } = asked;
        let answer = self
            .ask(&host, ManagerRequest::Log(question))
            .await
            .unwrap_or_else(|error| LogAnswer::Refused(format!("host {host} could not be asked: {error}")));
        let request = self
            .http
            .post(format!("{}/{id}", self.url))
            .timeout(ANSWER_LIMIT)
            .bearer_auth(self.token.expose_secret())
            .json(&answer);
        let sent = request.send().await.and_then(reqwest::Response::error_for_status);
        // Whoever asked may have given up, which is no news.
        if let Err(error) = sent {
            tracing::debug!(%error, "an answer about a log was not taken");
        }
    }

    async fn ask(&self, host: &HostName, request: ManagerRequest) -> Result<LogAnswer, Failure> {
        let (reply, whereabouts) = oneshot::channel();
        let lookup = Lookup {
            host: host.clone(),
            reply,
        };
        self.lookups.send(lookup).await?;
        let Some(Whereabouts { peer, addresses }) = whereabouts.await? else {
            return Ok(LogAnswer::Refused(format!(
                "region {} has not heard of host {host} lately",
                self.region
            )));
        };
        let request = postcard::to_stdvec(&request)?;
        let answer = tokio::time::timeout(HOST_LIMIT, self.swarm.call(peer, &addresses, request)).await??;
        let ManagerResponse::Log(answer) = postcard::from_bytes(&answer)?;
        Ok(answer)
    }
}
