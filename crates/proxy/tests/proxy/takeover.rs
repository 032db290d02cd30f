//! A proxy takes over from another.

use crate::client::{Client, Load};
use crate::rig::{LIMIT, Rig, eventually};
use crate::task::Task;
use crate::upgrades::Tunnel;
use proxy_control::{Command, Error, Mode, Reply, ask, connect};

#[tokio::test(flavor = "multi_thread")]
async fn take_overs_and_swaps_under_load_fail_no_request() {
    let rig = Rig::new();
    let mut proxy = rig.start().await;
    let mut blue = Task::start(1);
    rig.point_at(blue.target).await;
    let load = Load::start(rig.stable_port, 6);
    for release in 2..=9 {
        let before = load.answered();
        eventually("under load", async || load.answered() > before + 20).await;
        let newer = rig.start().await;
        let green = Task::start(release);
        // The older proxy has connections still: it is told of the swap, and what it has in flight is counted.
        rig.point_at(green.target).await;
        rig.drained(blue.target).await;
        blue = green;
        tokio::time::timeout(LIMIT, proxy.ended)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        proxy = newer;
    }
    assert_eq!(load.end().await, Vec::<String>::new());
    let answer = Client::new(rig.stable_port).get("/").await.unwrap();
    assert_eq!(answer.text, "9");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_older_proxy_still_has_counts_until_it_has_ended() {
    let rig = Rig::new();
    let older = rig.start().await;
    let (blue, green) = (Task::start(1), Task::start(2));
    rig.point_at(blue.target).await;
    let mut tunnel = Tunnel::open(rig.stable_port).await;
    let newer = rig.start().await;
    // A third, while the first has not ended: commands reach it through the second.
    let newest = rig.start().await;
    rig.point_at(green.target).await;
    let drain = async || {
        rig.control()
            .drain("web".parse().unwrap(), blue.target, 60_000)
            .await
            .unwrap()
    };
    assert_eq!(drain().await, (0, 1));
    assert!(tunnel.echoes().await);
    drop(tunnel);
    eventually("drained", async || drain().await == (0, 0)).await;
    for ended in [older.ended, newer.ended] {
        tokio::time::timeout(LIMIT, ended)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
    assert_eq!(Client::new(rig.stable_port).get("/").await.unwrap().text, "2");
    newest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_a_pause_holds_in_the_older_proxy_go_on_when_the_newer_one_is_told() {
    let rig = Rig::new();
    let older = rig.start().await;
    let task = Task::start(1);
    rig.point_at(task.target).await;
    let (control, service) = (rig.control(), "web".parse::<model::ServiceName>().unwrap());
    control.mode(service.clone(), Mode::Pause).await.unwrap();
    let port = rig.stable_port;
    let held = tokio::spawn(async move { Client::new(port).get("/").await.unwrap() });
    eventually("held", async || control.status().await.unwrap()[0].held_now == 1).await;
    let newer = rig.start().await;
    assert_eq!(control.status().await.unwrap()[0].mode, Mode::Pause);
    assert_eq!(control.status().await.unwrap()[0].held_now, 1);
    control.mode(service, Mode::Serve).await.unwrap();
    assert_eq!(held.await.unwrap().text, "1");
    tokio::time::timeout(LIMIT, older.ended)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    newer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_proxy_that_dies_while_it_takes_over_leaves_the_older_one_in_charge() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let task = Task::start(1);
    rig.point_at(task.target).await;
    let mut dies = connect(rig.control().socket()).await.unwrap();
    let Ok(Reply::Handover { services }) = ask(&mut dies, &Command::TakeOver).await else {
        panic!("nothing was handed over");
    };
    assert_eq!(services, [(rig.point(task.target), Mode::Serve)]);
    // Only one at a time.
    let mut second = connect(rig.control().socket()).await.unwrap();
    let refused = ask(&mut second, &Command::TakeOver).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    // Whoever steers meanwhile waits, and is then served by whoever is in charge.
    let waits = {
        let (control, point) = (rig.control(), rig.point(Task::start(2).target));
        tokio::spawn(async move { control.point(point).await })
    };
    drop(dies);
    waits.await.unwrap().unwrap();
    rig.point_at(task.target).await;
    assert_eq!(Client::new(rig.stable_port).get("/").await.unwrap().text, "1");
    proxy.stop().await;
}
