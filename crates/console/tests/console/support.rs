//! A console on fresh databases of one real server, and a repository that an engineer works in.

use artifact::SigningKey;
use artifact_store::Store;
use artifact_store::server;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use console::wire::{Deployment, Enqueued, ErrorBody};
use console::{Config, Parts, Role, Service, Token, TokenHash};
use database::jobs::Claim;
use database::{Builds, Jobs, Limits};
use http_body_util::BodyExt as _;
use local_services::Postgres;
use model::repository::LocalRepositories;
use model::{ArtifactId, BuildId, Phase};
use repository_mirror::Mirrors;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use swarm::{Authority, AuthorityKey};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// How long no test may ever take.
const TEST_LIMIT: Duration = Duration::from_secs(120);
/// How long certificates live here.
pub const LIFE: Duration = Duration::from_secs(7 * 24 * 3_600);
pub const ENGINEER: &str = "a-secret-of-ada";
pub const MANAGER: &str = "a-secret-of-east";
/// Of the worker that claims here, and of another.
pub const WORKER: &str = "a-secret-of-worker-1";
pub const OTHER_WORKER: &str = "a-secret-of-worker-2";
pub const TARGET: &str = "//:web";

const PROJECT: &str = r#"
[targets."//:web"]
command = ["make"]
outputs = ["web"]

[targets."//:other"]
command = ["make"]
outputs = ["other"]
"#;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
});
static SERVER: LazyLock<Server> = LazyLock::new(server_on_its_own_thread);
static DATABASES: AtomicU32 = AtomicU32::new(0);

struct Server {
    postgres: Postgres,
    // Held while the server's folder is ours.
    _lock: std::fs::File,
}

/// A server in the first folder that no other test process uses, emptied first.
async fn start_server() -> Server {
    for slot in 0..64 {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("console-{slot}"));
        let lock = std::fs::File::create(folder.with_extension("lock")).unwrap();
        if lock.try_lock().is_err() {
            continue;
        }
        let _ = std::fs::remove_dir_all(&folder);
        let postgres = Postgres::start(&folder).await.unwrap();
        return Server {
            postgres,
            _lock: lock,
        };
    }
    panic!("every folder for a test server is in use");
}

/// The kernel ends the server when the thread that started it ends, so that thread never does.
fn server_on_its_own_thread() -> Server {
    let (started, server) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        started.send(runtime.block_on(start_server())).unwrap();
        runtime.block_on(std::future::pending::<()>());
    });
    server.recv().unwrap()
}

async fn fresh_database() -> String {
    let name = format!("test{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    SERVER.postgres.create_database(&name).await.unwrap();
    SERVER.postgres.url(&name)
}

/// A console with the region `east`, the repository `here` and the service `web`.
pub struct Console {
    pub jobs: Jobs,
    pub builds: Builds,
    pub service: Service,
    /// The main store.
    pub store: Store,
    /// Who signs for region `east`.
    pub authority: AuthorityKey,
    router: Router,
    folder: TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status, code, words and advice of a refusal, as one text.
    pub fn refusal(&self) -> String {
        let ErrorBody { error } = self.json();
        format!(
            "{} {}\n{}\n{}",
            self.status.as_u16(),
            error.code,
            error.message,
            error.next
        )
    }

    pub fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Runs a test on a console of its own.
pub fn on_console(test: impl AsyncFnOnce(Console)) {
    RUNTIME.block_on(async {
        tokio::time::timeout(TEST_LIMIT, async { test(Console::new().await).await })
            .await
            .unwrap();
    });
}

impl Console {
    pub async fn new() -> Self {
        let limits = Limits::default();
        let jobs = Jobs::connect(&fresh_database().await, limits).await.unwrap();
        let builds = Builds::connect(&fresh_database().await, limits).await.unwrap();
        jobs.migrate().await.unwrap();
        builds.migrate().await.unwrap();
        builds.upsert_region(&"east".parse().unwrap()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mirrors = Mirrors::new(folder.path().join("mirrors"), LocalRepositories::Allowed);
        let authority = Authority::generate();
        let authority_key = authority.key();
        let config = Config {
            tokens: vec![
                token("ada@example.org", Role::Engineer, ENGINEER),
                token("east-manager", Role::Region("east".parse().unwrap()), MANAGER),
                token(
                    "worker-1",
                    Role::Worker(Some("worker-1".parse().unwrap())),
                    WORKER,
                ),
                token(
                    "worker-2",
                    Role::Worker(Some("worker-2".parse().unwrap())),
                    OTHER_WORKER,
                ),
            ],
            local_repositories: LocalRepositories::Allowed,
            secure_cookie: false,
            signing_key: signing_key(),
            // Nothing is kept but what is needed.
            retention: retention::Policy {
                newest_artifacts: 0,
                keep_days: 0,
                ..retention::Policy::default()
            },
            authorities: BTreeMap::from([("east".parse().unwrap(), authority)]),
            certificate_life: LIFE,
        };
        let store = main_store(&folder).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mirrors = mirrors.await.unwrap();
        let service = Service::new(
            config,
            listener,
            Parts {
                jobs: jobs.clone(),
                builds: builds.clone(),
                store: store.clone(),
                mirrors,
            },
        )
        .unwrap();
        let console = Self {
            router: service.router(),
            service,
            jobs,
            builds,
            store,
            authority: authority_key,
            folder,
        };
        console.make_repository();
        let url = format!("file://{}", console.work().display());
        console
            .post("/v1/repositories", &json!({"name": "here", "url": url}))
            .await;
        let spec = json!({"target": TARGET, "command": ["web", "--loud"]});
        let put = Request::put("/v1/services/web").header(header::CONTENT_TYPE, "application/json");
        console.ask(as_engineer(put), Body::from(spec.to_string())).await;
        console
    }

    fn work(&self) -> std::path::PathBuf {
        self.folder.path().join("work")
    }

    fn make_repository(&self) {
        std::fs::create_dir(self.work()).unwrap();
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        self.commit(PROJECT);
    }

    /// Commits a `starling.toml`.
    pub fn commit(&self, project: &str) {
        std::fs::write(self.work().join("starling.toml"), project).unwrap();
        self.git(&["add", "starling.toml"]);
        self.git(&["commit", "--quiet", "--message=change"]);
    }

    pub fn git(&self, arguments: &[&str]) {
        let status = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(["-c", "commit.gpgSign=false"])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            // One day, so that versions of that day are the same.
            .env("GIT_COMMITTER_DATE", "2026-11-26T12:00:00Z")
            .current_dir(self.work())
            .status()
            .unwrap();
        assert!(status.success(), "{arguments:?}");
    }

    pub async fn ask(&self, request: axum::http::request::Builder, body: Body) -> Answer {
        let response = self
            .router
            .clone()
            .oneshot(request.body(body).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// An answer whose body is read bit by bit.
    pub async fn stream(&self, path: &str) -> Body {
        let request = as_engineer(Request::get(path)).body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap().into_body()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(as_engineer(Request::get(path)), Body::empty()).await
    }

    /// With one more header.
    pub async fn get_with(&self, path: &str, name: &str, value: &str) -> Answer {
        self.ask(as_engineer(Request::get(path)).header(name, value), Body::empty())
            .await
    }

    pub async fn post(&self, path: &str, body: &impl Serialize) -> Answer {
        self.post_as(ENGINEER, path, body).await
    }

    pub async fn post_as(&self, secret: &str, path: &str, body: &impl Serialize) -> Answer {
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Bearer {secret}"))
            .header(header::CONTENT_TYPE, "application/json");
        self.ask(request, Body::from(serde_json::to_string(body).unwrap()))
            .await
    }

    /// A form as a browser sends it.
    pub async fn submit(&self, path: &str, form: &'static str) -> Answer {
        let request = Request::post(path)
            .header(header::COOKIE, format!("starling={ENGINEER}"))
            .header(header::HOST, "console.example")
            .header(header::ORIGIN, "http://console.example")
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request, Body::from(form)).await
    }

    /// Asks for a build of `main`.
    pub async fn enqueue(&self, target: &str) -> BuildId {
        let answer = self
            .post(
                "/v1/builds",
                &json!({"repository": "here", "revision": "main", "target": target}),
            )
            .await;
        answer.json::<Enqueued>().build.id
    }

    /// Claims the next build as a worker would.
    pub async fn claim(&self) -> Claim {
        let worker = "worker-1".parse().unwrap();
        self.jobs.claim(&worker).await.unwrap().unwrap()
    }

    /// A build that a worker has brought to its end.
    pub async fn built(&self, target: &str) -> BuildId {
        self.enqueue(target).await;
        let Claim { build, lease, .. } = self.claim().await;
        for phase in Phase::ALL {
            self.jobs.begin_phase(build, lease, *phase).await.unwrap();
        }
        let artifact = ArtifactId(*blake3::hash(target.as_bytes()).as_bytes());
        self.jobs.succeed(build, lease, &artifact, 5 << 20).await.unwrap();
        build
    }

    pub async fn deployed(&self, build: BuildId) -> Deployment {
        let answer = self
            .post("/v1/deployments", &json!({"service": "web", "build": build}))
            .await;
        answer.json()
    }
}

/// Signs what workers have made.
pub fn signing_key() -> SigningKey {
    SigningKey::generate([7; 32])
}

pub fn as_engineer(request: axum::http::request::Builder) -> axum::http::request::Builder {
    request.header(header::AUTHORIZATION, format!("Bearer {ENGINEER}"))
}

/// A real store in the test's folder, which ends with the test's runtime.
async fn main_store(folder: &TempDir) -> Store {
    let server = server::Server::bind(server::Config {
        root: folder.path().join("store"),
        listen: "127.0.0.1:0".parse().unwrap(),
        access_key_id: "starling".to_owned(),
        secret_access_key: "murmuration".to_owned().into(),
    });
    let server = server.await.unwrap();
    let store = Store::connect(&artifact_store::Config {
        endpoint: Some(format!("http://{}", server.local_addr())),
        signing_region: "us-east-1".to_owned(),
        bucket: "main".to_owned(),
        access_key_id: "starling".to_owned(),
        secret_access_key: "murmuration".to_owned().into(),
    })
    .unwrap();
    tokio::spawn(server.run(CancellationToken::new()));
    store.ensure_bucket().await.unwrap();
    store
}

fn token(name: &str, role: Role, secret: &str) -> Token {
    Token {
        name: name.parse().unwrap(),
        role,
        hash: TokenHash::of(secret),
    }
}
