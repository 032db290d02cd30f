//! What becomes of the uploads that earlier attempts at a build left, or this one, where an answer to it got lost. Only
//! decides; see the parent for who acts.
//!
//! Leases only grow, and whoever holds the newest owns all that was left under older ones. One upload is gone on with:
//! its place is named after the attempt that began it, and stays so. That is safe although that attempt may wake up
//! again, since all that it could still do is refused:
//! - a part that it sends late takes the place of one that was compared with the files, and Complete, which names each
//!   part as it was compared, fails ([`artifact_store::Store::complete`]);
//! - once the upload is completed, its parts find no upload, and a second upload to the same place is refused at its own
//!   Complete, which asks that nothing is there yet. Where one attempt began two uploads, which two orders to begin that
//!   were on their way at once lead to, neither is gone on with;
//! - with every step, every attempt proves its lease to the database.

use artifact_store::{Unfinished, UploadTicket};
use model::{BuildId, LeaseId};
use std::collections::BTreeMap;

/// What to do with what was left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Takeover {
    /// The upload to go on with.
    pub(crate) resume: Option<UploadTicket>,
    /// Those to abort.
    pub(crate) abort: Vec<UploadTicket>,
}

impl Takeover {
    /// Decides for the attempt at `build` that holds `lease`. Uploads of other builds, and of a newer lease, are left
    /// alone; its own is gone on with.
    pub(crate) fn of(left: Vec<Unfinished>, build: BuildId, lease: LeaseId) -> Self {
        let mut by_lease: BTreeMap<LeaseId, Vec<UploadTicket>> = BTreeMap::new();
        for upload in left {
            match upload.ticket.key.attempt() {
                Some((of_build, of_lease)) if of_build == build && of_lease <= lease => {
                    by_lease.entry(of_lease).or_default().push(upload.ticket);
                }
                _ => {}
            }
        }
        let mut takeover = Self::default();
        for (_, mut uploads) in by_lease.into_iter().rev() {
            // The newest, which the others' parts have already been left for.
            if takeover.resume.is_none() && uploads.len() == 1 {
                takeover.resume = uploads.pop();
            }
            takeover.abort.append(&mut uploads);
        }
        takeover
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifact_store::ContentKey;

    const OURS: &str = "01900000-0000-7000-8000-000000000001";
    const OTHER: &str = "01900000-0000-7000-8000-000000000002";

    fn left(build: &str, lease: i64, id: &str) -> Unfinished {
        Unfinished {
            ticket: UploadTicket {
                key: ContentKey::of_attempt(build.parse().unwrap(), LeaseId(lease)),
                upload_id: id.to_owned(),
            },
            begun_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn decided(left: Vec<Unfinished>) -> (Option<String>, Vec<String>) {
        let takeover = Takeover::of(left, OURS.parse().unwrap(), LeaseId(9));
        let id = |ticket: UploadTicket| ticket.upload_id;
        (
            takeover.resume.map(id),
            takeover.abort.into_iter().map(id).collect(),
        )
    }

    #[test]
    fn the_newest_of_the_earlier_uploads_is_gone_on_with_and_the_others_are_aborted() {
        let found = decided(vec![left(OURS, 3, "a"), left(OURS, 7, "b"), left(OURS, 5, "c")]);
        assert_eq!(
            found,
            (Some("b".to_owned()), vec!["c".to_owned(), "a".to_owned()])
        );
        assert_eq!(decided(vec![]), (None, vec![]));
    }

    #[test]
    fn of_two_uploads_of_one_attempt_neither_is_gone_on_with() {
        let found = decided(vec![left(OURS, 7, "a"), left(OURS, 7, "b"), left(OURS, 2, "c")]);
        assert_eq!(
            found,
            (Some("c".to_owned()), vec!["a".to_owned(), "b".to_owned()])
        );
    }

    #[test]
    fn what_is_of_another_build_or_a_later_attempt_is_left_alone() {
        let found = decided(vec![left(OTHER, 3, "a"), left(OURS, 12, "c")]);
        assert_eq!(found, (None, vec![]));
    }

    #[test]
    fn an_attempt_that_asks_again_gets_the_upload_that_it_began() {
        let found = decided(vec![left(OURS, 3, "a"), left(OURS, 9, "b")]);
        assert_eq!(found, (Some("b".to_owned()), vec!["a".to_owned()]));
    }
}
