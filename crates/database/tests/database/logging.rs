//! Logs: gaps, the limit of all attempts, and the move to the object store.

use crate::support::{TestJobs, log_here, on_jobs, worker};
use database::jobs::{Claim, Dropped, LOG_CHUNK_LENGTH_MAX, LOG_LENGTH_MAX, LogArchive, LogGap, LogRead};

async fn write(jobs: &TestJobs, claim: &Claim, sequence: i64, text: &str) {
    jobs.append_log(claim.build, claim.lease, sequence, text.as_bytes())
        .await
        .unwrap();
}

fn archive(total_bytes: u64) -> LogArchive {
    LogArchive {
        object: "logs/one.zst".to_owned(),
        total_bytes,
        frame_ends: vec![9],
    }
}

#[test]
fn a_gap_is_remembered_once_at_the_place_of_its_notice() {
    on_jobs(async |jobs| {
        let claim = jobs.claimed(1, "a").await;
        write(jobs, &claim, 0, "head\n").await;
        let dropped = Dropped { bytes: 70, lines: 3 };
        for _ in 0..2 {
            jobs.append_log_gap(claim.build, claim.lease, 1, b"gone\n", dropped)
                .await
                .unwrap();
        }
        write(jobs, &claim, 2, "tail\n").await;
        let gaps = jobs.log_gaps(claim.build).await.unwrap();
        assert_eq!(gaps, [LogGap { position: 5, dropped }]);
        let log = log_here(jobs, claim.build, 0, 100).await;
        assert_eq!(log.bytes, b"head\ngone\ntail\n");
    });
}

#[test]
fn all_attempts_together_fill_a_log_and_no_more() {
    on_jobs(async |jobs| {
        let claim = jobs.claimed(1, "a").await;
        sqlx::query(
            "INSERT INTO log_chunks (build, position, lease, sequence, bytes) VALUES ($1, $2, 0, 0, 'x')",
        )
        .bind(claim.build.0)
        .bind(LOG_LENGTH_MAX - 3)
        .execute(&jobs.sql)
        .await
        .unwrap();
        for sequence in 0..3 {
            write(jobs, &claim, sequence, "abc").await;
        }
        let rest = log_here(jobs, claim.build, LOG_LENGTH_MAX - 2, LOG_CHUNK_LENGTH_MAX).await;
        let text = String::from_utf8(rest.bytes).unwrap();
        assert!(
            text.starts_with("abc\n[starling]") && text.ends_with("nothing more is kept\n"),
            "{text}"
        );
    });
}

#[test]
fn a_log_leaves_once_its_build_has_ended_and_only_whole() {
    on_jobs(async |jobs| {
        let claim = jobs.claimed(1, "a").await;
        write(jobs, &claim, 0, "a log").await;
        assert!(jobs.logs_to_archive(10).await.unwrap().is_empty());
        assert!(
            !jobs.archive_log(claim.build, &archive(5)).await.unwrap(),
            "it runs"
        );

        jobs.fail(claim.build, claim.lease, "no").await.unwrap();
        assert_eq!(jobs.logs_to_archive(10).await.unwrap(), [claim.build]);
        assert!(
            !jobs.archive_log(claim.build, &archive(4)).await.unwrap(),
            "a byte lacks"
        );
        log_here(jobs, claim.build, 0, 10).await;

        assert!(jobs.archive_log(claim.build, &archive(5)).await.unwrap());
        assert_eq!(
            jobs.log(claim.build, 0, 10).await.unwrap(),
            LogRead::Archived(archive(5))
        );
        assert!(jobs.logs_to_archive(10).await.unwrap().is_empty());
        assert!(
            !jobs.archive_log(claim.build, &archive(5)).await.unwrap(),
            "twice"
        );
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM log_chunks")
            .fetch_one(&jobs.sql)
            .await
            .unwrap();
        assert_eq!(left, 0);
    });
}

#[test]
fn logs_of_many_builds_are_found_oldest_first_and_running_ones_left_out() {
    on_jobs(async |jobs| {
        let mut ended = Vec::new();
        for number in 1..=5 {
            let claim = jobs.claimed(number, "a").await;
            for sequence in 0..3 {
                write(jobs, &claim, sequence, "line\n").await;
            }
            if number % 2 == 1 {
                jobs.fail(claim.build, claim.lease, "no").await.unwrap();
                ended.push(claim.build);
            }
        }
        // One that ended without a word has nothing to move.
        let silent = jobs.claimed(9, "a").await;
        jobs.fail(silent.build, silent.lease, "no").await.unwrap();
        assert_eq!(jobs.logs_to_archive(10).await.unwrap(), ended);
        assert_eq!(jobs.logs_to_archive(2).await.unwrap(), ended[..2]);
        assert!(jobs.claim(&worker("b")).await.unwrap().is_none());
    });
}
