//! A log from the build's process to the main store, with a real Postgres, store and sandbox.

#![allow(clippy::unwrap_used)]

mod common;

use artifact_store::{LOG_FRAME_LENGTH, StoredLog};
use builder::archiver;
use common::Fixture;
use database::jobs::{LogArchive, LogRead};
use model::BuildId;

async fn archived(fixture: &Fixture, build: BuildId) -> StoredLog {
    match fixture.jobs.log(build, 0, 1).await.unwrap() {
        LogRead::Archived(LogArchive {
            object,
            total_bytes,
            frame_ends,
        }) => StoredLog {
            object,
            total: total_bytes,
            frame_ends,
        },
        LogRead::Here(slice) => panic!("the log is still here: {slice:?}"),
    }
}

/// Reads a stored log in steps that fit no frame.
async fn read_all(fixture: &Fixture, log: &StoredLog) -> Vec<u8> {
    let mut read = Vec::new();
    loop {
        let part = fixture
            .store
            .read_log(log, read.len() as u64, 300_007)
            .await
            .unwrap();
        if part.is_empty() {
            return read;
        }
        read.extend(part);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_log_moves_to_the_store_with_every_byte_and_its_gap() {
    let fixture = Fixture::new().await;
    let archiver = archiver::Service::new(fixture.jobs.clone(), fixture.store.clone());
    let commit = fixture.commit(
        r#"
[targets."//:loud"]
command = ["sh", "-c", "seq 1 400000; echo ready > out"]
outputs = ["out"]
"#,
    );
    let build = fixture.enqueue(&commit, "//:loud").await;
    assert_eq!(archiver.archive().await.unwrap(), 0, "it has not ended");
    let worker = fixture.start(fixture.config("worker-1"));
    fixture.ended(build).await;
    let before = fixture.log(build).await;
    let gaps = fixture.jobs.log_gaps(build).await.unwrap();
    assert_eq!(gaps.len(), 1);
    assert!(before[gaps[0].position.try_into().unwrap()..].starts_with("[starling]"));
    // What was kept and what was dropped are all that the command wrote.
    let written: u64 = (1..=400_000_u64)
        .map(|number| number.to_string().len() as u64 + 1)
        .sum();
    let ours: usize = before
        .lines()
        .filter(|line| line.starts_with("[starling]"))
        .map(|line| line.len() + 1)
        .sum();
    // The notice at the head's end begins with a line end of its own.
    assert_eq!(gaps[0].dropped.bytes, written - (before.len() - ours - 1) as u64);

    assert_eq!(archiver.archive().await.unwrap(), 1);
    let log = archived(&fixture, build).await;
    assert_eq!(String::from_utf8(read_all(&fixture, &log).await).unwrap(), before);
    assert_eq!(fixture.jobs.log_gaps(build).await.unwrap(), gaps);
    assert_eq!(
        archiver.archive().await.unwrap(),
        0,
        "a second look finds nothing to do"
    );
    worker.stop.cancel();
    worker.task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_several_frames_is_read_from_any_place_and_a_damaged_one_is_refused() {
    let fixture = Fixture::new().await;
    let whole: Vec<u8> = (0..400_000_u32)
        .flat_map(|number| format!("{number}\n").into_bytes())
        .collect();
    let mut packer = artifact_store::LogPacker::default();
    for part in whole.chunks(70_001) {
        packer.push(part).unwrap();
    }
    let packed = packer
        .finish("01900000-0000-7000-8000-000000000000".parse().unwrap())
        .unwrap();
    let log = packed.log().clone();
    assert_eq!(log.frame_ends.len(), whole.len().div_ceil(LOG_FRAME_LENGTH));
    fixture.store.put_log(&packed).await.unwrap();
    assert_eq!(read_all(&fixture, &log).await, whole);
    let beyond = fixture.store.read_log(&log, log.total, 10).await.unwrap();
    assert!(beyond.is_empty());

    let mut wrong = log.clone();
    wrong.frame_ends[0] -= 1;
    fixture.store.read_log(&wrong, 0, 10).await.unwrap_err();
    wrong.frame_ends.truncate(1);
    fixture
        .store
        .read_log(&wrong, LOG_FRAME_LENGTH as u64, 10)
        .await
        .unwrap_err();
}
