//! A worker's artifact comes about at the API's hands, for an attempt that holds its lease and for nobody else.

use crate::support::{
    Answer, Console, ENGINEER, MANAGER, OTHER_WORKER, WORKER, as_engineer, on_console, signing_key,
};
use artifact::{FileEntry, Provenance, TrustedKeys};
use artifact_store::publishing::{AbortRequest, BegunUpload, PartRequest, Publication, Published};
use artifact_store::{
    ContentKey, Error, Outputs, Part, PartAddress, PartOrder, PartSender, PartSigner, Patience, Verification,
};
use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use database::jobs::Claim;
use model::{ArtifactId, BuildState, LeaseId};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// An attempt that has something to publish.
struct Worker<'a> {
    console: &'a Console,
    claim: Claim,
    begun: Option<BegunUpload>,
    /// What it proves itself with.
    secret: &'static str,
}

#[async_trait]
impl PartSigner for Worker<'_> {
    async fn sign(&self, order: &PartOrder) -> Result<PartAddress, Error> {
        let request = PartRequest {
            upload: self.begun.clone().unwrap().upload,
            part: *order,
        };
        let request = serde_json::to_value(request).unwrap();
        let answer = self.ask("upload/address", &request).await;
        if answer.status == StatusCode::OK {
            Ok(answer.json())
        } else {
            Err(Error::NoAddress(answer.refusal().into()))
        }
    }
}

impl<'a> Worker<'a> {
    async fn new(console: &'a Console) -> Self {
        console.enqueue("//:web").await;
        Self::claiming(console).await
    }

    async fn claiming(console: &'a Console) -> Self {
        Self {
            console,
            claim: console.claim().await,
            begun: None,
            secret: WORKER,
        }
    }

    fn path(&self, what: &str) -> String {
        format!("/v1/attempts/{}/{}/{what}", self.claim.build, self.claim.lease)
    }

    async fn ask(&self, what: &str, body: &Value) -> Answer {
        self.console.post_as(self.secret, &self.path(what), body).await
    }

    async fn standing(&self, artifact: &ArtifactId) -> Answer {
        let path = self.path(&format!("artifacts/{artifact}"));
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {}", self.secret));
        self.console.ask(request, Body::empty()).await
    }

    async fn begin(&mut self) -> BegunUpload {
        let begun: BegunUpload = self.ask("upload", &Value::Null).await.json();
        self.begun = Some(begun.clone());
        begun
    }

    async fn publish(&self, publication: &Publication) -> Answer {
        let request = Request::post(self.path("publication"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.secret));
        self.console.ask(request, Body::from(publication.encode())).await
    }

    async fn succeed(&self, artifact: &ArtifactId) -> Answer {
        self.ask("success", &json!({ "artifact": artifact })).await
    }

    /// Sends a file to the upload that was begun.
    async fn try_send(&self, content: &[u8]) -> Result<Publication, Error> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web");
        std::fs::write(&file, content).unwrap();
        let entry = FileEntry {
            path: "web".parse().unwrap(),
            executable: true,
            length: content.len() as u64,
        };
        let outputs = Outputs {
            files: vec![(entry, file)],
            provenance: Provenance {
                repository: self.claim.repository.clone(),
                commit: self.claim.commit.clone(),
                target: self.claim.target.clone(),
            },
        };
        // An earlier test of this process may have installed it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let sender = PartSender::new(Patience::default()).unwrap();
        let there: Vec<Part> = self.begun.iter().flat_map(|begun| begun.there.clone()).collect();
        let (progress, stop) = (watch::Sender::new(0), CancellationToken::new());
        let outputs = outputs.plan().await.unwrap();
        let sent = sender.send(self, outputs, there, progress, stop).await?;
        Ok(Publication {
            upload: self.begun.clone().map(|begun| begun.upload),
            content: sent.content,
            manifest: sent.manifest,
        })
    }

    async fn sent(&mut self, content: &[u8]) -> Publication {
        self.begin().await;
        self.try_send(content).await.unwrap()
    }
}

#[test]
fn what_a_worker_sends_is_completed_signed_and_recorded_by_the_api() {
    on_console(async |console| {
        let mut worker = Worker::new(&console).await;
        let publication = worker.sent(b"a web").await;
        let published: Published = worker.publish(&publication).await.json();
        let artifact = publication.manifest.id();
        assert_eq!((published.artifact, published.total_bytes), (artifact, 5));
        // The answer may have got lost.
        let again: Published = worker.publish(&publication).await.json();
        assert_eq!(again, published);

        let stored = console.store.get_manifest(&artifact).await.unwrap().unwrap();
        let trusted = TrustedKeys::new([signing_key().public()]).unwrap();
        let statement = trusted.verify_statement(stored.signed.envelope()).unwrap();
        assert_eq!(statement.provenance(), publication.manifest.provenance());
        let (run, claim) = (statement.run(), &worker.claim);
        assert_eq!(run.environment["worker"], "worker-1");
        assert_eq!(
            run.invocation.clone(),
            Some(format!("{}/{}", claim.build, claim.lease))
        );
        assert_eq!(
            console.store.verify_content(&stored).await.unwrap(),
            Verification::Matches
        );
        assert_eq!(console.store.unfinished("").await.unwrap(), []);

        assert_eq!(worker.succeed(&artifact).await.status, StatusCode::NO_CONTENT);
        let row = console.jobs.build(claim.build).await.unwrap().unwrap();
        assert_eq!((row.state, row.artifact), (BuildState::Succeeded, Some(artifact)));
    });
}

#[test]
fn content_without_bytes_is_published_without_an_upload() {
    on_console(async |console| {
        let worker = Worker::new(&console).await;
        let publication = worker.try_send(b"").await.unwrap();
        let published: Published = worker.publish(&publication).await.json();
        assert_eq!(published.total_bytes, 0);
        let stored = console.store.get_manifest(&published.artifact).await.unwrap();
        let found = console.store.verify_content(&stored.unwrap()).await.unwrap();
        assert_eq!(found, Verification::Matches);
    });
}

#[test]
fn an_attempt_that_lost_its_lease_gets_nothing_done() {
    on_console(async |console| {
        let mut stale = Worker::new(&console).await;
        let publication = stale.sent(b"a web").await;
        let (build, lease) = (stale.claim.build, stale.claim.lease);
        console.jobs.hand_back(build, lease).await.unwrap();
        let lost = "lease_lost";
        let abort = AbortRequest {
            upload: publication.upload.clone().unwrap(),
        };
        let artifact = publication.manifest.id();
        for answer in [
            stale.ask("upload", &Value::Null).await,
            stale
                .ask("upload/abort", &serde_json::to_value(abort).unwrap())
                .await,
            stale.publish(&publication).await,
            stale.standing(&artifact).await,
            stale.succeed(&artifact).await,
        ] {
            assert_eq!(answer.status, StatusCode::CONFLICT);
            assert!(answer.refusal().contains(lost), "{answer:?}");
        }
        let refused = stale.try_send(b"another web").await.unwrap_err();
        assert!(
            matches!(&refused, Error::NoAddress(why) if why.to_string().contains(lost)),
            "{refused}"
        );
        assert!(console.store.get_manifest(&artifact).await.unwrap().is_none());

        // The next attempt goes on with what it left, and finds the part there.
        let mut next = Worker::claiming(&console).await;
        assert_eq!(next.claim.build, build);
        let begun = next.begin().await;
        assert_eq!(Some(&begun.upload), publication.upload.as_ref());
        assert_eq!(begun.there.len(), 1);
        let publication = next.try_send(b"a web").await.unwrap();
        let published: Published = next.publish(&publication).await.json();
        assert_eq!(published.artifact, artifact);
    });
}

#[test]
fn nobody_but_the_attempts_own_worker_may_publish_for_it() {
    on_console(async |console| {
        let mut worker = Worker::new(&console).await;
        for secret in [ENGINEER, MANAGER, OTHER_WORKER] {
            worker.secret = secret;
            let answer = worker.ask("upload", &Value::Null).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
        }
        worker.secret = "no secret at all";
        let answer = worker.ask("upload", &Value::Null).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        // And a worker may do nothing else.
        for path in ["/v1/builds", "/v1/repositories", "/v1/workers"] {
            let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {WORKER}"));
            let answer = console.ask(request, Body::empty()).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        }
        let answer = console
            .ask(as_engineer(Request::get("/v1/workers")), Body::empty())
            .await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(console.store.unfinished("").await.unwrap(), []);
    });
}

#[test]
fn an_attempt_touches_no_upload_of_another_build_and_publishes_nothing_in_its_name() {
    on_console(async |console| {
        let mut one = Worker::new(&console).await;
        let publication = one.sent(b"a web").await;
        console.enqueue("//:other").await;
        let mut other = Worker::claiming(&console).await;
        other.begun = one.begun.clone();
        let refused = other.try_send(b"a web").await.unwrap_err();
        assert!(
            matches!(&refused, Error::NoAddress(why) if why.to_string().contains("other_build")),
            "{refused}"
        );
        let abort = AbortRequest {
            upload: publication.upload.clone().unwrap(),
        };
        let abort = serde_json::to_value(abort).unwrap();
        assert!(
            other
                .ask("upload/abort", &abort)
                .await
                .refusal()
                .contains("other_build")
        );
        assert!(
            other
                .publish(&publication)
                .await
                .refusal()
                .contains("other_build")
        );
        // Nor an upload that a later attempt might begin.
        let later = ContentKey::of_attempt(one.claim.build, LeaseId(one.claim.lease.0 + 1));
        let mut begun = one.begun.clone().unwrap();
        begun.upload.key = later;
        one.begun = Some(begun);
        let refused = one.try_send(b"a web").await.unwrap_err();
        assert!(matches!(refused, Error::NoAddress(_)), "{refused}");
        assert_eq!(console.store.unfinished("").await.unwrap().len(), 1);
    });
}

#[test]
fn what_is_said_of_the_parts_must_be_what_the_store_has() {
    on_console(async |console| {
        let mut worker = Worker::new(&console).await;
        let publication = worker.sent(b"a web").await;
        let artifact = publication.manifest.id();
        let mut wrongs = vec![publication.clone(); 4];
        wrongs[0].content.parts[0].etag = "\"another\"".to_owned();
        wrongs[1].content.parts[0].length -= 1;
        wrongs[2].content.parts.clear();
        wrongs[3].content.crc64nvme.0 ^= 1;
        for wrong in wrongs {
            let answer = worker.publish(&wrong).await;
            assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
            assert!(answer.refusal().contains("upload_differs"), "{answer:?}");
        }
        assert!(console.store.get_manifest(&artifact).await.unwrap().is_none());
        // Nothing is recorded that is not in the store.
        let answer = worker.succeed(&artifact).await;
        assert!(answer.refusal().contains("artifact_not_published"), "{answer:?}");
        assert_eq!(worker.publish(&publication).await.status, StatusCode::OK);
    });
}

#[test]
fn an_artifact_that_stands_is_taken_over_and_what_was_sent_again_is_dropped() {
    on_console(async |console| {
        let mut first = Worker::new(&console).await;
        let publication = first.sent(b"a web").await;
        let artifact = publication.manifest.id();
        assert_eq!(first.standing(&artifact).await.status, StatusCode::NOT_FOUND);
        first.publish(&publication).await;
        first.succeed(&artifact).await;

        let forced = json!({"repository": "here", "revision": "main", "target": "//:web", "force": true});
        console.post("/v1/builds", &forced).await;
        let mut second = Worker::claiming(&console).await;
        assert_eq!(second.standing(&artifact).await.status, StatusCode::OK);
        let again = second.sent(b"a web").await;
        assert_ne!(again.upload, publication.upload);
        assert_eq!(second.publish(&again).await.status, StatusCode::OK);
        let stored = console.store.get_manifest(&artifact).await.unwrap().unwrap();
        assert_eq!(stored.content_key, publication.upload.unwrap().key);
        assert_eq!(console.store.unfinished("").await.unwrap(), []);
        assert_eq!(second.succeed(&artifact).await.status, StatusCode::NO_CONTENT);
    });
}

#[test]
fn what_is_being_removed_is_not_published_before_that_is_over() {
    on_console(async |console| {
        let mut worker = Worker::new(&console).await;
        let publication = worker.sent(b"a web").await;
        let artifact = publication.manifest.id();
        let removal = console.jobs.begin_removal(&artifact, &[]).await.unwrap().unwrap();
        let answer = worker.publish(&publication).await;
        assert!(answer.refusal().contains("artifact_being_removed"), "{answer:?}");
        console.jobs.end_removal(&removal).await.unwrap();
        assert_eq!(worker.publish(&publication).await.status, StatusCode::OK);
    });
}

#[test]
fn bytes_that_are_no_publication_are_refused() {
    on_console(async |console| {
        let worker = Worker::new(&console).await;
        for bytes in [
            &b""[..],
            b"\0\0\0\x02{}",
            b"\xff\xff\xff\xff{}",
            b"nothing of the kind",
        ] {
            let request = Request::post(worker.path("publication"))
                .header(header::AUTHORIZATION, format!("Bearer {WORKER}"));
            let answer = console.ask(request, Body::from(bytes)).await;
            assert!(answer.refusal().contains("invalid_publication"), "{answer:?}");
        }
    });
}
