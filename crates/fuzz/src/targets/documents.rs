//! Texts: what people, repositories and etcd hold.

use super::values;
use model::RegionService;
use model::project::ProjectFile;

/// A certificate comes out again as it was read.
pub(super) fn certificate(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(certificate) = text.parse::<swarm::Certificate>() else {
        return;
    };
    assert_eq!(certificate.to_string().parse(), Ok(certificate));
}

pub(super) fn certificate_examples() -> Vec<Vec<u8>> {
    vec![swarm::fuzzing::certificate().to_string().into_bytes()]
}

/// An etcd value comes out again as it was read, and its check of the spec never panics.
pub(super) fn desired_service(bytes: &[u8]) {
    let Ok(desired) = serde_json::from_slice::<RegionService>(bytes) else {
        return;
    };
    // The result is the region's business.
    let _ = desired.newest().map(|newest| newest.spec.validate());
    let again = serde_json::to_vec(&desired).ok();
    let again = again.and_then(|bytes| serde_json::from_slice::<RegionService>(&bytes).ok());
    assert_eq!(again, Some(desired));
}

pub(super) fn desired_service_examples() -> Vec<Vec<u8>> {
    serde_json::to_vec(&values::region_service())
        .into_iter()
        .collect()
}

/// A repository's `starling.toml`: its outputs stay inside the target's folder.
pub(super) fn project_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(project) = ProjectFile::parse(text) else {
        return;
    };
    for spec in project.targets.values() {
        assert!(
            spec.outputs
                .iter()
                .all(|path| !path.starts_with('/') && !path.split('/').any(|part| part == ".."))
        );
    }
}

pub(super) fn project_file_examples() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../../../starling.toml").to_vec()]
}
