//! Asking a task how it is.

use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use model::service::HealthCheck;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Why one check was not answered well.
#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    /// Nothing listens on the port, or it hangs up.
    #[error("nothing answers on port {port}: {reason}")]
    Unreachable {
        /// The task's port.
        port: u16,
        /// The system's word.
        reason: String,
    },
    /// It answers, with a status outside of 200 to 299.
    #[error("the health check was answered with status {0}")]
    Status(u16),
    /// It did not answer in time.
    #[error("the health check was not answered within {0} ms")]
    TimedOut(u32),
    /// What it answers is not HTTP.
    #[error("the health check was not answered in HTTP: {0}")]
    Protocol(String),
}

/// Asks once. Good is any status from 200 to 299, within the check's timeout; the body is not read.
///
/// The connection is made for this one question, goes to this machine only, and knows no proxy.
pub async fn ask(port: u16, check: &HealthCheck) -> Result<(), Unhealthy> {
    let limit = Duration::from_millis(check.timeout_ms.into());
    let status = tokio::time::timeout(limit, status_of(port, &check.path))
        .await
        .map_err(|_| Unhealthy::TimedOut(check.timeout_ms))??;
    if (200..300).contains(&status) {
        Ok(())
    } else {
        Err(Unhealthy::Status(status))
    }
}

async fn status_of(port: u16, path: &str) -> Result<u16, Unhealthy> {
    let protocol = |error: &dyn std::error::Error| Unhealthy::Protocol(error.to_string());
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| Unhealthy::Unreachable {
            port,
            reason: error.to_string(),
        })?;
    let request = Request::get(path)
        .header(HOST, format!("127.0.0.1:{port}"))
        .header(USER_AGENT, "starling-agent")
        .header(CONNECTION, "close")
        .body(String::new())
        .map_err(|error| protocol(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| protocol(&error))?;
    // The answer comes only while the connection is driven; both end with this function.
    tokio::pin!(connection);
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer.map(|answer| answer.status().as_u16()).map_err(|error| protocol(&error)),
        ended = &mut connection => match ended {
            Ok(()) => answer.await.map(|answer| answer.status().as_u16()).map_err(|error| protocol(&error)),
            Err(error) => Err(protocol(&error)),
        },
    }
}

/// What a run of answers amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Not enough good answers yet.
    Unproven,
    /// Healthy.
    Good,
    /// It was healthy, and has failed often enough not to be any more.
    Bad,
}

/// Counts answers in a row, so that a single lost answer changes nothing. Pure.
#[derive(Debug, Clone)]
pub struct Streak {
    healthy_after: u32,
    unhealthy_after: u32,
    health: Health,
    /// Answers in a row that speak against `health`.
    against: u32,
}

impl Streak {
    /// Nothing was asked yet.
    pub fn new(check: &HealthCheck) -> Self {
        Self {
            healthy_after: check.healthy_after,
            unhealthy_after: check.unhealthy_after,
            health: Health::Unproven,
            against: 0,
        }
    }

    /// Takes one answer in, and says what they amount to now.
    pub fn observe(&mut self, good: bool) -> Health {
        if good == (self.health == Health::Good) {
            self.against = 0;
            return self.health;
        }
        self.against += 1;
        let (enough, next) = if good {
            (self.healthy_after, Health::Good)
        } else {
            (self.unhealthy_after, Health::Bad)
        };
        if self.against >= enough {
            self.against = 0;
            self.health = next;
        }
        self.health
    }

    /// What the answers so far amount to.
    pub fn health(&self) -> Health {
        self.health
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers one connection with `answer`, or holds it open for ever.
    async fn task_that_answers(answer: Option<&'static str>) -> (u16, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = vec![0; 4096];
            let length = stream.read(&mut question).await.unwrap();
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                None => std::future::pending().await,
            }
            String::from_utf8(question[..length].to_vec()).unwrap()
        });
        (port, served)
    }

    #[tokio::test]
    async fn a_good_answer_is_good_and_its_body_is_not_waited_for() {
        let answer = "HTTP/1.1 204 No Content\r\n\r\n";
        let (port, served) = task_that_answers(Some(answer)).await;
        ask(port, &HealthCheck::default()).await.unwrap();
        let question = served.await.unwrap();
        assert!(question.starts_with("GET /healthz HTTP/1.1\r\n"), "{question}");

        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nstill";
        let (port, _served) = task_that_answers(Some(answer)).await;
        ask(port, &HealthCheck::default()).await.unwrap();
    }

    #[tokio::test]
    async fn every_bad_answer_says_what_was_wrong() {
        let check = HealthCheck {
            timeout_ms: 200,
            ..HealthCheck::default()
        };
        let cases = [
            (
                Some("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"),
                "status 503",
            ),
            (Some("220 smtp ready\r\n"), "in HTTP"),
            (Some(""), "in HTTP"),
            (None, "within 200 ms"),
        ];
        for (answer, expected) in cases {
            let (port, _served) = task_that_answers(answer).await;
            let error = ask(port, &check).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{answer:?}: {error}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = ask(port, &check).await.unwrap_err().to_string();
        assert!(error.contains(&format!("port {port}")), "{error}");
    }

    #[test]
    fn only_a_run_of_answers_changes_what_they_amount_to() {
        let mut streak = Streak::new(&HealthCheck::default());
        let answers = [
            (false, Health::Unproven),
            (true, Health::Unproven),
            (false, Health::Unproven),
            (true, Health::Unproven),
            (true, Health::Good),
            (false, Health::Good),
            (false, Health::Good),
            (true, Health::Good),
            (false, Health::Good),
            (false, Health::Good),
            (false, Health::Bad),
            (true, Health::Bad),
            (true, Health::Good),
        ];
        for (number, (good, expected)) in answers.into_iter().enumerate() {
            assert_eq!(streak.observe(good), expected, "answer {number}");
        }
    }
}
