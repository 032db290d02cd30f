//! The control plane, as far as a manager can tell: it takes reports or refuses them.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use model::node::RevokedPeers;
use model::region_report::RegionReport;
use model::task_log::{LogAnswer, LogAsked, LogQuestion, LogStart, LogsAsked};
use model::{PeerName, RegionName};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// An API that remembers what it was told.
pub struct Api {
    pub address: String,
    desk: Arc<Desk>,
}

/// One report and how it was met.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The region of the path.
    pub region: RegionName,
    /// The whole header.
    pub authorization: String,
    pub report: RegionReport,
    pub accepted: bool,
}

struct Desk {
    refusing: AtomicBool,
    heard: watch::Sender<Vec<Heard>>,
    revoked: Mutex<Vec<PeerName>>,
    /// Questions about logs that no manager has taken.
    questions: Mutex<Vec<LogAsked>>,
    answers: watch::Sender<BTreeMap<u64, LogAnswer>>,
}

impl Api {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let desk = Arc::new(Desk {
            refusing: AtomicBool::new(false),
            heard: watch::Sender::default(),
            revoked: Mutex::default(),
            questions: Mutex::default(),
            answers: watch::Sender::default(),
        });
        let router = Router::new()
            .route("/v1/regions/{region}/report", post(take))
            .route("/v1/regions/{region}/revoked", get(list_revoked))
            .route("/v1/regions/{region}/logs/asked", get(questions))
            .route("/v1/regions/{region}/logs/{id}", post(answered))
            .with_state(Arc::clone(&desk));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, desk }
    }

    pub fn refuse(&self, refusing: bool) {
        self.desk.refusing.store(refusing, Ordering::SeqCst);
    }

    /// From now on this peer is revoked.
    pub fn revoke(&self, peer: swarm::PeerId) {
        let peer = peer.to_string().parse().unwrap();
        self.desk.revoked.lock().unwrap().push(peer);
    }

    /// Asks a host for a log's last lines, by way of its manager.
    pub async fn ask_log(&self, id: u64, host: &str) -> LogAnswer {
        self.desk.questions.lock().unwrap().push(LogAsked {
            id,
            host: host.parse().unwrap(),
            question: LogQuestion {
                service: "beacon".parse().unwrap(),
                release: None,
                start: LogStart::Tail(9),
                wait_ms: 0,
            },
        });
        let mut answers = self.desk.answers.subscribe();
        let wait = answers.wait_for(|answers| answers.contains_key(&id));
        let answered = tokio::time::timeout(crate::support::LIMIT, wait).await;
        answered.expect("never answered").unwrap()[&id].clone()
    }

    /// Waits for a report like this.
    pub async fn hears(&self, what: &str, fits: impl Fn(&Heard) -> bool) -> Heard {
        let mut heard = self.desk.heard.subscribe();
        let found = tokio::time::timeout(
            crate::support::LIMIT,
            heard.wait_for(|heard| heard.iter().any(&fits)),
        )
        .await;
        match found {
            Ok(heard) => heard.unwrap().iter().find(|heard| fits(heard)).unwrap().clone(),
            Err(_) => panic!("never heard {what}: {:#?}", self.desk.heard.borrow()),
        }
    }
}

async fn take(
    State(desk): State<Arc<Desk>>,
    Path(region): Path<RegionName>,
    headers: HeaderMap,
    Json(report): Json<RegionReport>,
) -> StatusCode {
    let accepted = !desk.refusing.load(Ordering::SeqCst);
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let heard = Heard {
        region,
        authorization: authorization.unwrap_or_default().to_owned(),
        report,
        accepted,
    };
    desk.heard.send_modify(|all| all.push(heard));
    if accepted {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

/// At once, whatever the manager would wait for.
async fn questions(State(desk): State<Arc<Desk>>) -> Json<LogsAsked> {
    tokio::time::sleep(Duration::from_millis(50)).await;
    let asked = std::mem::take(&mut *desk.questions.lock().unwrap());
    Json(LogsAsked { asked })
}

async fn answered(
    State(desk): State<Arc<Desk>>,
    Path((_, id)): Path<(RegionName, u64)>,
    Json(answer): Json<LogAnswer>,
) -> StatusCode {
    desk.answers
        .send_modify(|answers| drop(answers.insert(id, answer)));
    StatusCode::NO_CONTENT
}

/// The whole list, unless the manager names the tag of the one that it would get.
async fn list_revoked(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    if desk.refusing.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let peers = desk.revoked.lock().unwrap().clone();
    let tag = format!("\"{}\"", peers.len());
    let seen = headers.get(header::IF_NONE_MATCH);
    if seen.is_some_and(|seen| seen.as_bytes() == tag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    ([(header::ETAG, tag)], Json(RevokedPeers { peers })).into_response()
}
