//! A real etcd and a desired state to put into it.

use desired_state::DesiredState;
use local_services::Etcd;
use model::service::ServiceSpec;
use model::{
    ArtifactId, Configuration, Cursor, DeploymentId, Epoch, Layer, RegionService, ReleaseNumber, Selector,
};
use std::future::Future;
use std::time::Duration;

/// Far more than anything here takes.
pub const LIMIT: Duration = Duration::from_secs(40);

pub struct World {
    pub folder: tempfile::TempDir,
    pub etcd: Etcd,
}

impl World {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let etcd = Etcd::start(folder.path()).await.unwrap();
        Self { folder, etcd }
    }

    pub async fn connect(&self) -> DesiredState {
        let region = "us-east-1".parse().unwrap();
        DesiredState::connect(&[self.etcd.endpoint()], &region)
            .await
            .unwrap()
    }

    /// Stops etcd and starts it again on the same data and port.
    pub async fn restart(self) -> Self {
        let Self { folder, etcd } = self;
        etcd.stop().await.unwrap();
        let etcd = Etcd::start(folder.path()).await.unwrap();
        Self { folder, etcd }
    }
}

pub fn desired(service: &str, epoch: i64) -> RegionService {
    let layer = Layer {
        epoch: Epoch(epoch),
        selector: Selector::default(),
        configuration: Configuration::default(),
        cursor: Cursor::NOBODY,
        warm: false,
        deployment: "01890a5d-ac96-774b-bcce-b302099a8057"
            .parse::<DeploymentId>()
            .unwrap(),
        release: ReleaseNumber(1),
        artifact: ArtifactId([7; 32]),
        spec: ServiceSpec {
            environment: [("GREETING".to_owned(), "hello".to_owned())].into(),
            ..ServiceSpec::new(
                "//crates/beacon:beacon".parse().unwrap(),
                vec!["bin/beacon".to_owned()],
            )
        },
    };
    RegionService {
        service: service.parse().unwrap(),
        epoch: Epoch(epoch),
        layers: vec![layer],
    }
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future)
        .await
        .unwrap_or_else(|_| panic!("took too long: {what}"))
}

/// Repeats a request until it succeeds, as every caller does while etcd is away.
pub async fn eventually<T, E: std::fmt::Debug, F: Future<Output = Result<T, E>>>(
    request: impl Fn() -> F,
) -> T {
    within("a request until it succeeds", async {
        loop {
            match request().await {
                Ok(answer) => return answer,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    })
    .await
}
