//! One leads at a time.

use crate::support::on_jobs;
use database::Singleton;
use tokio_util::sync::CancellationToken;

#[test]
fn one_leads_until_it_lets_go_or_loses_its_connection() {
    on_jobs(async |jobs| {
        let stop = CancellationToken::new();
        let first = jobs.lead(Singleton::Reaper, &stop).await.unwrap();
        assert!(
            jobs.lead(Singleton::Publisher, &stop).await.is_some(),
            "another thing may be led"
        );

        let asked_too_early = CancellationToken::new();
        let (second, ()) = tokio::join!(jobs.lead(Singleton::Reaper, &asked_too_early), async {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            asked_too_early.cancel();
        });
        assert!(second.is_none() && !first.lost().is_cancelled());

        drop(first);
        let second = jobs.lead(Singleton::Reaper, &stop).await.unwrap();
        jobs.run(
            "SELECT pg_terminate_backend(pid) FROM pg_locks
             WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .await;
        second.lost().cancelled().await;
        assert!(jobs.lead(Singleton::Reaper, &stop).await.is_some());
    });
}
