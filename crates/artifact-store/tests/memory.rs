//! Memory stays flat. In a process of its own, so that the peak is this test's.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

mod common;

use artifact::FileEntry;
use artifact_store::{Outputs, Verification};
use common::{Running, copy, folder, provenance, publish, upload};

/// More than three times what may be held.
const CONTENT_LENGTH: u64 = 640 << 20;
/// A client, two servers and the runtime together. One transfer's parts are 64 MiB of it.
const PEAK_MAX_KIB: u64 = 192 << 10;

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_and_a_streamed_copy_hold_a_few_parts_whatever_the_size() {
    let (root, far_root, files) = (folder(), folder(), folder());
    let (server, far_server) = (
        Running::start(root.path()).await,
        Running::start(far_root.path()).await,
    );
    let (main, far) = (
        server.store("main-store").await,
        far_server.store("far-store").await,
    );
    let path = files.path().join("sparse");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(CONTENT_LENGTH)
        .unwrap();
    let entry = FileEntry {
        path: "sparse".parse().unwrap(),
        executable: false,
        length: CONTENT_LENGTH,
    };
    let outputs = Outputs {
        files: vec![(entry, path)],
        provenance: provenance(),
    };
    let artifact = publish(&main, &upload(&main, "key", outputs).await).await;
    copy(&main, &far, &artifact).await.unwrap();
    assert_eq!(far.verify(&artifact).await.unwrap(), Verification::Matches);
    let peak = peak_kib();
    assert!(peak < PEAK_MAX_KIB, "the peak is {peak} KiB");
}
