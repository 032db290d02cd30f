//! What the last release left on the disk is not fetched for the next one.

use crate::artifacts::{beacon, pack};
use crate::host::{Host, order, reaches};
use crate::manager::{FakeManager, Region};
use model::TaskState;
use model::deployment::Directive::Stage;

#[tokio::test]
async fn of_the_next_release_only_the_difference_comes_over_the_network() {
    let (region, files) = (Region::new(), tempfile::tempdir().unwrap());
    let manager = FakeManager::start(&region, "manager-1").await;
    let (old, new) = (
        pack(files.path(), beacon(), "old"),
        pack(files.path(), beacon(), "new"),
    );
    // They differ in a note behind the program, so in the last piece.
    let last = u64::from(new.manifest.piece_count() - 1) * u64::from(new.manifest.piece_length());
    let (old, new) = (
        manager.seed(&old, &region.key).await,
        manager.seed(&new, &region.key).await,
    );
    let host = Host::new(&region, &[&manager]);
    let agent = host.start(&region).await;
    manager.order([order("web", 1, 1, old, Stage)]);
    let first = reaches(&manager, "web", 1, TaskState::Staged).await.transfer;
    assert_eq!((first.local_bytes, first.seed_bytes), (0, first.total_bytes));
    manager.order([order("web", 1, 1, old, Stage), order("next", 1, 1, new, Stage)]);
    let next = reaches(&manager, "next", 1, TaskState::Staged).await.transfer;
    assert_eq!(next.local_bytes, last, "{next:?}");
    assert_eq!(next.local_bytes + next.seed_bytes, next.total_bytes);
    agent.stop().await;
}
