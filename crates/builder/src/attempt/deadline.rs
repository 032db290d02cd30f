//! How long an attempt may take: its build by the build's deadline, and then its upload by the worker's.

use super::Attempt;
use crate::fault::Fault;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How much longer the database waits for an upload than its worker, whose word about it is the better one.
const GRACE: Duration = Duration::from_secs(60);

/// When an attempt is overdue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    limit: Duration,
    is_of_upload: bool,
}

impl Deadline {
    pub(super) fn of_build(limit: Duration) -> Self {
        Self {
            at: Instant::now() + limit,
            limit,
            is_of_upload: false,
        }
    }

    fn of_upload(limit: Duration) -> Self {
        Self {
            is_of_upload: true,
            ..Self::of_build(limit)
        }
    }

    /// Whose fault it is when it has passed. What was built in time will be again, so a slow upload is tried again.
    fn fault(&self) -> Fault {
        let seconds = self.limit.as_secs();
        if self.is_of_upload {
            let reason = format!("the upload took longer than the worker's timeout of {seconds} s");
            return Fault::infrastructure("store the artifact")(reason);
        }
        Fault::Build(format!("it ran longer than its deadline of {seconds} s"))
    }
}

impl Attempt<'_> {
    /// From now on the upload's deadline counts, and no longer the build's. How long the database is to wait.
    pub(super) fn begin_upload_deadline(&self) -> Duration {
        let limit = self.workshop.config.upload_timeout;
        self.deadline.send_replace(Deadline::of_upload(limit));
        limit + GRACE
    }
}

/// Returns when the deadline that counts has passed.
pub(super) async fn passed(mut deadline: watch::Receiver<Deadline>) -> Fault {
    loop {
        let now = *deadline.borrow_and_update();
        tokio::select! {
            () = tokio::time::sleep_until(now.at) => return now.fault(),
            // The attempt holds the sending end, and outlives this.
            _ = deadline.changed() => {}
        }
    }
}
