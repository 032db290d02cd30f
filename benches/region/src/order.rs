//! What the region is told to have.

use model::{
    ArtifactId, Configuration, Cursor, DeploymentId, Epoch, Layer, RegionService, ReleaseNumber, Selector,
    ServiceSpec,
};

/// The only file of an artifact.
pub const PROGRAM: &str = "content";

/// An order to fetch an artifact and to run nothing.
pub(crate) fn stage(artifact: ArtifactId, epoch: i64) -> anyhow::Result<RegionService> {
    let layer = Layer {
        epoch: Epoch(epoch),
        selector: Selector::default(),
        configuration: Configuration::default(),
        cursor: Cursor::NOBODY,
        warm: false,
        deployment: DeploymentId("00000000-0000-7000-8000-000000000000".parse()?),
        release: ReleaseNumber(epoch),
        artifact,
        spec: ServiceSpec {
            stop_timeout_seconds: 5,
            ..ServiceSpec::new("//bench:content".parse()?, vec![PROGRAM.to_owned()])
        },
    };
    Ok(RegionService {
        service: "bench".parse()?,
        epoch: Epoch(epoch),
        layers: vec![layer],
    })
}
