//! A whole `starling dev`, and what a bench asks of its API.

use anyhow::{Context as _, bail, ensure};
use bench_harness::Scratch;
use jiff::Timestamp;
use local_services::{Child, ParentDeath};
use reqwest::Client;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// Room for the databases, the store and the checkouts, in bytes.
const ROOM: u64 = 3_000_000_000;
/// How long the system may take to start, and to stop before it is killed.
const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_GRACE: Duration = Duration::from_secs(30);
/// How long one build may take.
const BUILD_LIMIT: Duration = Duration::from_secs(600);

/// The running system, with the repository `tiny` and its target `//:it`.
#[derive(Debug)]
pub struct System {
    process: Child,
    http: Client,
    api: String,
    token: String,
    _scratch: Scratch,
}

/// What the bench reads of a build.
#[derive(Debug, Deserialize)]
pub struct Build {
    id: String,
    state: String,
    reason: Option<String>,
    queued_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

impl Build {
    /// Milliseconds from the enqueue to the claim.
    pub fn waited_ms(&self) -> Option<f64> {
        Some(milliseconds(self.queued_at, self.started_at?))
    }

    /// Milliseconds from the claim to the end.
    pub fn ran_ms(&self) -> Option<f64> {
        Some(milliseconds(self.started_at?, self.finished_at?))
    }

    /// Milliseconds from the enqueue to the end.
    pub fn took_ms(&self) -> Option<f64> {
        Some(milliseconds(self.queued_at, self.finished_at?))
    }
}

fn milliseconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_nanosecond() - from.as_nanosecond()) as f64 / 1e6
}

/// What `starling dev` writes for the command line.
#[derive(Debug, Deserialize)]
struct Context {
    api: String,
    token_file: PathBuf,
}

#[derive(Deserialize)]
struct Detail {
    build: Build,
}

fn program() -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("starling");
    ensure!(beside.exists(), "{} was not built", beside.display());
    Ok(beside)
}

/// A repository with one target that runs a shell line and declares `out`.
async fn repository(folder: &Path, command: &str) -> anyhow::Result<()> {
    fs_err::create_dir_all(folder)?;
    let toml = format!("[targets.\"//:it\"]\ncommand = [\"sh\", \"-c\", {command:?}]\noutputs = [\"out\"]\n");
    fs_err::write(folder.join("starling.toml"), toml)?;
    let author = ["-c", "user.name=Bench", "-c", "user.email=bench@localhost"];
    for arguments in [
        vec!["init", "--quiet", "--initial-branch=main"],
        vec!["add", "--all"],
        [&author[..], &["commit", "--quiet", "--message", "A tiny build"]].concat(),
    ] {
        let status = Command::new("git")
            .args(&arguments)
            .current_dir(folder)
            .status()
            .await?;
        ensure!(status.success(), "git {arguments:?} failed");
    }
    Ok(())
}

impl System {
    /// Starts it with one region, one host and so many workers.
    pub async fn start(workers: usize, command: &str) -> anyhow::Result<Self> {
        // reqwest is built without a provider of its own; a second installation is none the worse.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let scratch = Scratch::new(ROOM)?;
        // Postgres, as another user, must be able to enter.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(scratch.path(), open)?;
        let source = scratch.path().join("tiny");
        repository(&source, command).await?;
        let data = scratch.path().join("data");
        let workers = workers.to_string();
        let arguments = ["dev", "--regions=1", "--hosts=1", "--workers", &workers, "--data"];
        let arguments = arguments
            .map(std::ffi::OsString::from)
            .into_iter()
            .chain([data.clone().into()]);
        let log = scratch.path().join("dev.log");
        let mut process = Child::start(&program()?, arguments, &[], ParentDeath::Terminate, &log)?;
        let (http, context) = (Client::new(), data.join("context.toml"));
        let ready = || async {
            let answers = async {
                let Context { api, token_file } = toml::from_str(&fs_err::read_to_string(&context)?)?;
                let token = fs_err::read_to_string(token_file)?;
                let asked = http
                    .get(format!("{api}/v1/repositories"))
                    .bearer_auth(token.trim());
                asked.send().await?.error_for_status()?;
                anyhow::Ok(())
            };
            answers.await.is_ok()
        };
        process.wait_until(START_LIMIT, ready).await?;
        let Context { api, token_file } = toml::from_str(&fs_err::read_to_string(&context)?)?;
        let token = fs_err::read_to_string(token_file)?.trim().to_owned();
        let system = Self {
            process,
            http,
            api,
            token,
            _scratch: scratch,
        };
        let url = format!("file://{}", source.display());
        let request = serde_json::json!({ "name": "tiny", "url": url });
        system.post("/v1/repositories", &request).await?;
        Ok(system)
    }

    async fn post(&self, path: &str, body: &serde_json::Value) -> anyhow::Result<serde_json::Value> {
        let request = self
            .http
            .post(format!("{}{path}", self.api))
            .bearer_auth(&self.token)
            .json(body);
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path} answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Asks for a build of its own; its identifier.
    pub async fn enqueue(&self) -> anyhow::Result<String> {
        let request = serde_json::json!({
            "repository": "tiny", "revision": "main", "target": "//:it", "force": true,
        });
        let answer = self.post("/v1/builds", &request).await?;
        let id = answer["build"]["id"].as_str().context("a build without an id")?;
        Ok(id.to_owned())
    }

    /// Waits until a build has succeeded.
    pub async fn ended(&self, id: &str) -> anyhow::Result<Build> {
        let looking = async {
            loop {
                let request = self
                    .http
                    .get(format!("{}/v1/builds/{id}", self.api))
                    .bearer_auth(&self.token);
                let Detail { build } = request.send().await?.error_for_status()?.json().await?;
                match build.state.as_str() {
                    "SUCCEEDED" => return Ok(build),
                    "FAILED" | "CANCELLED" => {
                        bail!(
                            "build {} is {}: {}",
                            build.id,
                            build.state,
                            build.reason.unwrap_or_default()
                        )
                    }
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(BUILD_LIMIT, looking)
            .await
            .context("a build did not end")?
    }

    /// Stops it as Ctrl-C does.
    pub async fn stop(self) -> anyhow::Result<()> {
        Ok(self
            .process
            .stop(rustix::process::Signal::INT, STOP_GRACE)
            .await?)
    }
}
