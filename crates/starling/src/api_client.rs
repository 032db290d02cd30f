//! The command line's view of `/v1`.

use console::wire;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where `starling dev` leaves the address and token, below its data folder.
pub const CONTEXT_FILE: &str = "context.toml";
/// The data folder that `starling dev` uses unless told otherwise, looked for from the current folder upwards.
pub const DATA_FOLDER: &str = ".starling";
/// No answer of the API takes longer; an enqueue may wait for a git fetch.
const ANSWER_LIMIT: Duration = Duration::from_secs(150);

/// No stream of events lasts longer; the API ends each after a quarter of an hour.
const STREAM_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Which API to talk to and as whom.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Such as `http://127.0.0.1:7700`.
    pub api: String,
    /// A file that holds the bearer token and nothing else.
    pub token_file: PathBuf,
}

/// An answer that said no.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What the API said.
    pub detail: wire::ErrorDetail,
}

/// Why there is no answer to use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither flags nor environment nor a data folder say where the API is.
    #[error("no API is configured")]
    NoContext,
    /// The context or token file cannot be used.
    #[error("failed to read {path}")]
    Context {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No connection, or no answer in time.
    #[error("failed to reach the API at {api}")]
    Unreachable {
        /// Where it was looked for.
        api: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The API said no.
    #[error("{}", .0.detail.message)]
    Refused(Refusal),
    /// The answer is not what this version expects.
    #[error("the API's answer could not be understood")]
    Malformed {
        /// Why.
        source: reqwest::Error,
    },
}

impl Error {
    /// What the engineer should do now.
    pub fn next(&self) -> Option<&str> {
        match self {
            Self::NoContext => Some(
                "start `starling dev`, or set STARLING_API and STARLING_TOKEN_FILE, or give --api and --token-file",
            ),
            Self::Unreachable { .. } => {
                Some("check that `starling dev` or the API role runs, and the address")
            }
            Self::Refused(refusal) => Some(&refusal.detail.next),
            Self::Malformed { .. } => Some("use a command line of the same version as the API"),
            Self::Context { .. } => None,
        }
    }
}

/// A client of one API, as one engineer.
#[derive(Debug, Clone)]
pub struct ApiClient {
    http: reqwest::Client,
    api: String,
    token: SecretString,
}

impl ApiClient {
    /// From explicit values, else from the data folder of a `starling dev` at or above the current folder.
    pub fn discover(api: Option<String>, token_file: Option<PathBuf>) -> Result<Self, Error> {
        if let (Some(api), Some(token_file)) = (&api, &token_file) {
            return Self::from_context(&Context {
                api: api.clone(),
                token_file: token_file.clone(),
            });
        }
        let found = find_context(&std::env::current_dir().unwrap_or_default()).ok_or(Error::NoContext)?;
        let context = read_context(&found)?;
        Self::from_context(&Context {
            api: api.unwrap_or(context.api),
            token_file: token_file.unwrap_or(context.token_file),
        })
    }

    /// From a context whose token is read now.
    pub fn from_context(context: &Context) -> Result<Self, Error> {
        let unreadable = |source| Error::Context {
            path: context.token_file.clone(),
            source,
        };
        let token = fs_err::read_to_string(&context.token_file).map_err(|error| unreadable(error.into()))?;
        let http = reqwest::Client::builder()
            .timeout(ANSWER_LIMIT)
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|error| unreadable(error.into()))?;
        Ok(Self {
            http,
            api: context.api.trim_end_matches('/').to_owned(),
            token: token.trim().to_owned().into(),
        })
    }

    /// Asks for a value.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let answer = self.send(Method::GET, path, None::<&()>).await?;
        answer.json().await.map_err(|source| Error::Malformed { source })
    }

    /// Sends a value and expects nothing back.
    pub async fn send_empty<B: Serialize>(&self, method: Method, path: &str, body: &B) -> Result<(), Error> {
        self.send(method, path, Some(body)).await.map(drop)
    }

    /// Sends a value and reads one back.
    pub async fn send_json<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T, Error> {
        let answer = self.send(method, path, Some(body)).await?;
        answer.json().await.map_err(|source| Error::Malformed { source })
    }

    /// The log's bytes from an offset: the bytes, where to go on, and whether that is the end.
    pub async fn log(&self, build: model::BuildId, from: i64) -> Result<(Vec<u8>, i64, bool), Error> {
        let answer = self
            .send(
                Method::GET,
                &format!("/v1/builds/{build}/log?from={from}"),
                None::<&()>,
            )
            .await?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let next = header(wire::LOG_NEXT_HEADER)
            .and_then(|text| text.parse().ok())
            .unwrap_or(from);
        let finished = header(wire::LOG_FINISHED_HEADER) == Some("true");
        let bytes = answer
            .bytes()
            .await
            .map_err(|source| Error::Malformed { source })?;
        Ok((bytes.to_vec(), next, finished))
    }

    /// Opens a stream of events.
    pub async fn stream(&self, path: &str) -> Result<reqwest::Response, Error> {
        let request = self.http.get(format!("{}{path}", self.api));
        self.answer(request.timeout(STREAM_LIMIT)).await
    }

    /// The log's lines that hold a text, from a place on.
    pub async fn search_log(
        &self,
        build: model::BuildId,
        text: &str,
        place: Option<&str>,
    ) -> Result<wire::LogSearch, Error> {
        let words = [("text", text)]
            .into_iter()
            .chain(place.map(|place| ("place", place)));
        let address = format!("{}/v1/builds/{build}/log/search", self.api);
        let address = reqwest::Url::parse_with_params(&address, words).map_err(|_| Error::NoContext)?;
        let request = self.http.get(address);
        let answer = self.answer(request).await?;
        answer.json().await.map_err(|source| Error::Malformed { source })
    }

    async fn send<B: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<reqwest::Response, Error> {
        let mut request = self.http.request(method, format!("{}{path}", self.api));
        if let Some(body) = body {
            request = request.json(body);
        }
        self.answer(request).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Error> {
        let request = request.bearer_auth(self.token.expose_secret());
        let answer = request.send().await.map_err(|source| Error::Unreachable {
            api: self.api.clone(),
            source,
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(Error::Refused(refusal(answer).await))
    }
}

async fn refusal(answer: reqwest::Response) -> Refusal {
    let status = answer.status();
    let detail = match answer.json::<wire::ErrorBody>().await {
        Ok(body) => body.error,
        Err(_) => wire::ErrorDetail {
            code: "unexpected_answer".to_owned(),
            message: format!("the API answered {status}"),
            next: hint_for(status).to_owned(),
        },
    };
    Refusal {
        status: status.as_u16(),
        detail,
    }
}

fn hint_for(status: StatusCode) -> &'static str {
    if status.is_server_error() {
        "see the API's log, and try again"
    } else {
        "check the address of the API"
    }
}

fn find_context(from: &Path) -> Option<PathBuf> {
    from.ancestors()
        .map(|folder| folder.join(DATA_FOLDER).join(CONTEXT_FILE))
        .find(|file| file.exists())
}

fn read_context(file: &Path) -> Result<Context, Error> {
    let unreadable = |source| Error::Context {
        path: file.to_owned(),
        source,
    };
    let text = fs_err::read_to_string(file).map_err(|error| unreadable(error.into()))?;
    toml::from_str(&text).map_err(|error| unreadable(error.into()))
}
