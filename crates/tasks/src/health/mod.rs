//! Asking a task how it is.

mod command;
mod http;
mod streak;

pub use streak::{Health, Streak};

use crate::task::Ended;
use crate::task::isolation::Isolation;
use model::service::{CheckKind, HealthCheck};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;

/// Whom to ask.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// The task's port.
    pub port: u16,
    /// The folder of the release, in which a check's program lies.
    pub artifact: PathBuf,
    /// The folder in which a check's program runs.
    pub folder: PathBuf,
    /// What keeps the task apart, and so a check's program.
    pub isolation: Isolation,
    /// The task's process, whose namespaces a check's program joins.
    pub process: Option<u32>,
    /// All variables of a check's program.
    pub environment: BTreeMap<String, String>,
}

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
    /// The check names no program.
    #[error("the health check names no program")]
    NoProgram,
    /// The check's program could not be run.
    #[error("the health check's program could not be run: {0}")]
    NotStarted(String),
    /// The check's program ended otherwise than well.
    #[error("the health check's program {0}")]
    Ended(Ended),
}

/// Asks once, in the way and within the time that the check says. Only this machine is asked.
pub async fn ask(target: &Target, check: &HealthCheck) -> Result<(), Unhealthy> {
    let limit = Duration::from_millis(check.timeout_ms.into());
    let answer = async {
        match check.kind {
            CheckKind::Http => {
                let status = http::status_of(connect(target.port).await?, target.port, &check.path).await?;
                if (200..300).contains(&status) {
                    Ok(())
                } else {
                    Err(Unhealthy::Status(status))
                }
            }
            CheckKind::Tcp => connect(target.port).await.map(drop),
            CheckKind::Command => command::run(target, &check.command).await,
        }
    };
    tokio::time::timeout(limit, answer)
        .await
        .map_err(|_| Unhealthy::TimedOut(check.timeout_ms))?
}

async fn connect(port: u16) -> Result<TcpStream, Unhealthy> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| Unhealthy::Unreachable {
            port,
            reason: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn at(port: u16) -> Target {
        Target {
            port,
            ..Target::default()
        }
    }

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
        ask(&at(port), &HealthCheck::default()).await.unwrap();
        let question = served.await.unwrap();
        assert!(question.starts_with("GET /healthz HTTP/1.1\r\n"), "{question}");

        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nstill";
        let (port, _served) = task_that_answers(Some(answer)).await;
        ask(&at(port), &HealthCheck::default()).await.unwrap();
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
            let error = ask(&at(port), &check).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{answer:?}: {error}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = ask(&at(port), &check).await.unwrap_err().to_string();
        assert!(error.contains(&format!("port {port}")), "{error}");
    }

    #[tokio::test]
    async fn a_port_that_takes_a_connection_is_good_enough_for_a_check_of_the_port() {
        let check = HealthCheck {
            kind: CheckKind::Tcp,
            ..HealthCheck::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = at(listener.local_addr().unwrap().port());
        ask(&target, &check).await.unwrap();
        drop(listener);
        assert!(matches!(
            ask(&target, &check).await,
            Err(Unhealthy::Unreachable { .. })
        ));
    }

    /// A release of one program, a shell script.
    fn release(script: &str) -> (tempfile::TempDir, Target, HealthCheck) {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("check");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let target = Target {
            port: 4711,
            artifact: folder.path().to_owned(),
            folder: folder.path().to_owned(),
            isolation: Isolation::default(),
            process: None,
            environment: [
                ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
                ("PORT".to_owned(), "4711".to_owned()),
            ]
            .into(),
        };
        let check = HealthCheck {
            kind: CheckKind::Command,
            command: vec!["check".to_owned(), "an argument".to_owned()],
            ..HealthCheck::default()
        };
        (folder, target, check)
    }

    #[tokio::test]
    async fn a_program_is_told_the_port_and_its_exit_code_is_the_answer() {
        let (_folder, target, check) = release("test \"$PORT $1\" = '4711 an argument'");
        ask(&target, &check).await.unwrap();
        let (_folder, target, check) = release("exit 3");
        let error = ask(&target, &check).await.unwrap_err().to_string();
        assert!(error.contains("exit code 3"), "{error}");
        let missing = HealthCheck {
            command: vec!["missing".to_owned()],
            ..check
        };
        let error = ask(&target, &missing).await.unwrap_err().to_string();
        assert!(error.contains("could not be run"), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_killed_with_what_it_started() {
        let (folder, target, check) = release("sleep 1000 & echo $! > child; wait");
        let check = HealthCheck {
            timeout_ms: 1_000,
            ..check
        };
        let error = ask(&target, &check).await.unwrap_err();
        assert!(matches!(error, Unhealthy::TimedOut(1_000)), "{error}");
        let child = std::fs::read_to_string(folder.path().join("child")).unwrap();
        let stat = format!("/proc/{}/stat", child.trim());
        // Killed, it is gone as soon as whoever adopted it has looked.
        let gone = async {
            while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
    }
}
