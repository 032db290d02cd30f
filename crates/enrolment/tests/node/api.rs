//! The API, as far as a node can tell: it issues certificates or says why not.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use model::refusal::{ErrorBody, ErrorDetail};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use swarm::{Authority, EnrolmentRequest, Issued, PeerId, RenewalRequest, Statement};
use tokio::net::TcpListener;

/// What it does now, and what it was asked.
#[derive(Debug)]
pub struct Desk {
    pub authority: Authority,
    /// How long the certificates live that it issues.
    pub life: SignedDuration,
    /// What it answers instead of a certificate.
    pub refusal: Option<(StatusCode, &'static str)>,
    pub enrolments: u32,
    pub renewals: u32,
}

/// A running API; a clone is the same one.
#[derive(Debug, Clone)]
pub struct Api(pub Arc<Mutex<Desk>>);

impl Api {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Desk {
            authority: Authority::generate(),
            life: SignedDuration::from_hours(1),
            refusal: None,
            enrolments: 0,
            renewals: 0,
        })))
    }

    /// Begins to answer.
    pub async fn listen(&self) -> SocketAddr {
        self.listen_after(0).await
    }

    /// Breaks this many connections off, then begins to answer.
    pub async fn listen_after(&self, broken: u32) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/v1/enrolments", post(enrol))
            .route("/v1/enrolments/renew", post(renew))
            .with_state(self.clone());
        tokio::spawn(async move {
            for _ in 0..broken {
                drop(listener.accept().await.unwrap());
            }
            axum::serve(listener, router).await.unwrap();
        });
        address
    }

    pub fn change(&self, change: impl FnOnce(&mut Desk)) {
        change(&mut self.0.lock().unwrap());
    }

    pub fn ask<T>(&self, question: impl FnOnce(&Desk) -> T) -> T {
        question(&self.0.lock().unwrap())
    }
}

async fn enrol(State(api): State<Api>, Json(request): Json<EnrolmentRequest>) -> Response {
    let peer = request.prove(Timestamp::now()).unwrap();
    api.change(|desk| desk.enrolments += 1);
    api.ask(|desk| {
        let statement = Statement {
            peer,
            region: request.region.clone(),
            name: request.name.clone(),
            role: request.role,
            not_after: Timestamp::now() + desk.life,
        };
        answer(desk, statement)
    })
}

async fn renew(State(api): State<Api>, Json(request): Json<RenewalRequest>) -> Response {
    let now = Timestamp::now();
    let peer: PeerId = request.prove(now).unwrap();
    let said = request.certificate.statement().clone();
    api.change(|desk| desk.renewals += 1);
    api.ask(|desk| {
        let key = desk.authority.key();
        request.certificate.verify(&key, &said.region, peer, now).unwrap();
        let not_after = now + desk.life;
        answer(desk, Statement { not_after, ..said })
    })
}

fn answer(desk: &Desk, statement: Statement) -> Response {
    match desk.refusal {
        None => {
            let certificate = desk.authority.issue(statement).unwrap();
            Json(Issued { certificate }).into_response()
        }
        Some((status, code)) => {
            let error = ErrorDetail {
                code: code.to_owned(),
                message: "it says no".to_owned(),
                next: "do something about it".to_owned(),
            };
            (status, Json(ErrorBody { error })).into_response()
        }
    }
}
