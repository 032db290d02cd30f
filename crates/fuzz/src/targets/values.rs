//! Valid values for the examples.

use artifact::{FileEntry, Manifest, ManifestBuilder, Provenance};
use model::deployment::Directive;
use model::{
    ArtifactId, Cursor, DeploymentId, DesiredService, Epoch, Layer, RegionService, ReleaseNumber, ServiceSpec,
};

/// What a text says. All of this crate's texts are valid.
pub(super) fn valid<T: std::str::FromStr>(text: &str) -> T {
    let parsed = text.parse().ok();
    // Proof: the crate's test reads every example.
    parsed.expect("the text of an example is valid")
}

pub(super) fn manifest() -> Manifest {
    let entry = |path, executable, length| FileEntry {
        path: valid(path),
        executable,
        length,
    };
    let files = vec![entry("bin/run", true, 70_000), entry("share/data", false, 3)];
    let provenance = Provenance {
        repository: valid("murmuration"),
        commit: valid(&"0123456789".repeat(4)),
        target: valid("//wing:feather"),
    };
    let built = ManifestBuilder::new(files, provenance).and_then(|builder| {
        let layout = builder.layout();
        let pieces = (0..layout.piece_count()).map(|piece| {
            let range = layout.piece_range(piece);
            let bytes = vec![7; (range.end - range.start) as usize];
            layout.hash_piece(piece, &bytes).ok()
        });
        builder.finish(pieces.flatten().collect())
    });
    // Proof: the crate's test reads every example.
    built.expect("the manifest of an example is valid")
}

pub(super) fn desired_service() -> DesiredService {
    DesiredService {
        service: valid("beacon"),
        epoch: Epoch(7),
        deployment: DeploymentId(valid("00000000-0000-7000-8000-000000000000")),
        release: ReleaseNumber(3),
        artifact: ArtifactId([7; 32]),
        directive: Directive::Activate,
        configuration: model::Configuration::default(),
        fallback: None,
        spec: ServiceSpec {
            environment: [("GREETING".to_owned(), "hello".to_owned())].into(),
            ..ServiceSpec::new(
                valid("//wing:feather"),
                vec!["bin/run".to_owned(), "--flock".to_owned()],
            )
        },
    }
}

/// What a region's etcd holds of the same service.
pub(super) fn region_service() -> RegionService {
    let order = desired_service();
    let layer = Layer {
        deployment: order.deployment,
        epoch: order.epoch,
        release: order.release,
        artifact: order.artifact,
        spec: order.spec,
        configuration: order.configuration,
        selector: valid("role=web"),
        cursor: Cursor::NOBODY,
        warm: true,
    };
    RegionService {
        service: order.service,
        epoch: order.epoch,
        layers: vec![layer],
    }
}
