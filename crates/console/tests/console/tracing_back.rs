//! Where an artifact comes from.

use crate::support::{TARGET, on_console};
use artifact::{BuildRun, Envelope, FileEntry, ManifestBuilder, Provenance, SigningKey, TrustedKeys};
use artifact_store::{Crc64, StoredManifest};
use console::wire::ArtifactProvenance;
use model::ArtifactId;

#[test]
fn a_build_shows_and_tells_its_provenance_and_a_reader_can_check_it() {
    on_console(async |console| {
        console.enqueue(TARGET).await;
        let claim = console.claim().await;
        let files = vec![FileEntry {
            path: "web".parse().unwrap(),
            executable: true,
            length: 3,
        }];
        let provenance = Provenance {
            repository: claim.repository.clone(),
            commit: claim.commit.clone(),
            target: claim.target.clone(),
        };
        let builder = ManifestBuilder::new(files, provenance).unwrap();
        let piece = builder.hash_piece(0, b"abc").unwrap();
        let manifest = builder.finish(vec![piece]).unwrap();
        let key = SigningKey::generate([7; 32]);
        let run = BuildRun {
            source: Some("https://example.org/<b>.git".to_owned()),
            environment: [("worker".to_owned(), "worker-7".to_owned())].into(),
            ..BuildRun::default()
        };
        let stored = StoredManifest {
            signed: key.sign(&manifest, run).unwrap(),
            content_key: "content".parse().unwrap(),
            crc64nvme: Crc64::of(b"abc"),
            total: 3,
        };
        console.store.put_manifest(&stored).await.unwrap();
        let artifact = manifest.id();
        console
            .jobs
            .succeed(claim.build, claim.lease, &artifact, 3)
            .await
            .unwrap();

        let page = console.get(&format!("/builds/{}", claim.build)).await.body;
        for wanted in [
            "worker-7",
            "https://example.org/&#60;b&#62;.git",
            &key.public().id().to_string(),
        ] {
            assert!(page.contains(wanted), "lacks {wanted}: {page}");
        }
        let told: ArtifactProvenance = console
            .get(&format!("/v1/artifacts/{artifact}/provenance"))
            .await
            .json();
        let envelope = Envelope::decode(&serde_json::to_vec(&told.envelope).unwrap()).unwrap();
        let trusted = TrustedKeys::new([key.public()]).unwrap();
        assert_eq!(trusted.verify_statement(&envelope).unwrap().artifact(), artifact);
        assert_eq!(told.statement["predicateType"], "https://slsa.dev/provenance/v1");

        let absent = console
            .get(&format!("/v1/artifacts/{}/provenance", ArtifactId([1; 32])))
            .await;
        insta::assert_snapshot!(absent.refusal(), @"
        404 unknown_artifact
        artifact 010101010101 is not in the main store
        give the whole name, 64 digits; `starling status BUILD` shows what a build made
        ");
    });
}
