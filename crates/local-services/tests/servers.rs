//! The local servers start, keep their data, and end with their parent.

use local_services::{Etcd, Postgres};
use std::time::Duration;

#[tokio::test]
async fn postgres_starts_twice_on_the_same_folder() {
    let folder = tempfile::tempdir().unwrap();
    let server = Postgres::start(folder.path()).await.unwrap();
    server.create_database("jobs").await.unwrap();
    server.stop().await.unwrap();
    let server = Postgres::start(folder.path()).await.unwrap();
    server
        .create_database("jobs")
        .await
        .expect("a database that is there is no error");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn etcd_keeps_its_port_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = Etcd::start(folder.path()).await.unwrap();
    let endpoint = first.endpoint();
    first.stop().await.unwrap();
    let second = Etcd::start(folder.path()).await.unwrap();
    assert_eq!(second.endpoint(), endpoint);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_ends_when_its_handle_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let server = Etcd::start(folder.path()).await.unwrap();
    let process = format!("/proc/{}", server.id().unwrap());
    drop(server);
    let gone = async {
        // A killed child stays as a zombie until tokio reaps it; its command line is empty by then.
        while std::fs::read(format!("{process}/cmdline")).is_ok_and(|line| !line.is_empty()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .expect("etcd ends");
}
