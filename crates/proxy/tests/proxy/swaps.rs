//! A release takes over from the last.

use crate::client::{Client, Load};
use crate::rig::{Rig, eventually};
use crate::task::Task;
use hyper::{Request, StatusCode};
use model::ReleaseNumber;
use proxy_control::{Share, Sticky};

#[tokio::test(flavor = "multi_thread")]
async fn swaps_under_load_fail_no_request_though_each_old_task_is_killed_once_drained() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let mut blue = Task::start(1);
    rig.point_at(blue.target).await;
    let load = Load::start(rig.stable_port, 6);
    for release in 2..=25 {
        let before = load.answered();
        eventually("under load", async || load.answered() > before + 20).await;
        let green = Task::start(release);
        rig.point_at(green.target).await;
        rig.drained(blue.target).await;
        blue = green;
    }
    let answered = load.answered();
    assert_eq!(load.end().await, Vec::<String>::new());
    assert!(answered > 400, "{answered}");
    let status = &rig.control().status().await.unwrap()[0];
    assert_eq!((status.swaps, status.failures), (24, 0));
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_swap_every_answer_is_the_new_release_and_a_swap_back_is_as_quick() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let (blue, green) = (Task::start(1), Task::start(2));
    let mut client = Client::new(rig.stable_port);
    for (target, release) in [(blue.target, "1"), (green.target, "2"), (blue.target, "1")] {
        rig.point_at(target).await;
        for _ in 0..10 {
            assert_eq!(client.get("/").await.unwrap().text, release);
        }
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_whose_draining_task_is_killed_is_answered_by_the_new_one_and_a_post_is_not_repeated() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let (blue, green) = (Task::start(1), Task::start(2));
    rig.point_at(blue.target).await;
    let port = rig.stable_port;
    let get = tokio::spawn(async move { Client::new(port).get("/stuck").await });
    let post = async move { Client::new(port).ask(Request::post("/stuck"), "x".into()).await };
    let post = tokio::spawn(post);
    eventually("in flight", async || rig.in_flight().await == 2).await;
    rig.point_at(green.target).await;
    drop(blue);
    assert_eq!(get.await.unwrap().unwrap().text, "2");
    assert_eq!(post.await.unwrap().unwrap().status, StatusCode::BAD_GATEWAY);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_task_is_not_there_waits_for_the_next_one_rather_than_fail() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let (blue, green) = (Task::start(1), Task::start(2));
    rig.point_at(blue.target).await;
    drop(blue);
    // What was not sent may be sent again, whatever it is.
    let mut client = Client::new(rig.stable_port);
    let (answer, ()) = tokio::join!(
        client.ask(Request::post("/"), "x".into()),
        rig.point_at(green.target)
    );
    assert_eq!(answer.unwrap().text, "2");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_gets_its_percentage_and_clients_with_a_cookie_stay_on_their_side() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let (stable, canary) = (Task::start(1), Task::start(2));
    let mut point = rig.point(stable.target);
    point.split = vec![Share {
        target: canary.target,
        percent: 30,
    }];
    point.sticky = Some(Sticky::Cookie("side".to_owned()));
    rig.control().point(point.clone()).await.unwrap();

    let mut client = Client::new(rig.stable_port);
    let (mut counts, mut cookie) = ([0, 0], String::new());
    for _ in 0..300 {
        let answer = client.get("/").await.unwrap();
        let release: usize = answer.text.parse().unwrap();
        counts[release - 1] += 1;
        if release == 2 {
            answer.headers["set-cookie"]
                .to_str()
                .unwrap()
                .clone_into(&mut cookie);
        }
    }
    // Five standard deviations of a binomial draw are 40.
    assert!((50..130).contains(&counts[1]), "{counts:?}");
    assert_eq!(cookie, "side=2; Path=/; HttpOnly; SameSite=Lax");
    for _ in 0..30 {
        let answer = client
            .ask(Request::get("/").header("cookie", "side=2"), "".into())
            .await
            .unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.headers.get("set-cookie")),
            ("2", None)
        );
    }
    // Everybody goes where the canary is not, once there is none.
    point.split.clear();
    rig.control().point(point).await.unwrap();
    let answer = client
        .ask(Request::get("/").header("cookie", "side=2"), "".into())
        .await
        .unwrap();
    assert_eq!(answer.text, "1");
    assert_eq!(canary.target.release, ReleaseNumber(2));
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_counted_at_the_target_that_made_them() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let (blue, green) = (Task::start(1), Task::start(2));
    let mut point = rig.point(blue.target);
    point.split = vec![Share {
        target: green.target,
        percent: 50,
    }];
    rig.control().point(point).await.unwrap();
    let mut client = Client::new(rig.stable_port);
    let mut ill = 0;
    for _ in 0..100 {
        let answer = client.get("/ill").await.unwrap();
        ill += u64::from(answer.status == StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert!((20..=80).contains(&ill), "{ill} of 100");
    let counts = async || {
        let status = rig.control().status().await.unwrap();
        let of = |task: &Task| {
            let known = status[0]
                .targets
                .iter()
                .find(|of| of.target == task.target)
                .unwrap();
            (known.ended, known.errors)
        };
        (of(&blue), of(&green))
    };
    eventually("all have ended", async || {
        counts().await == ((100 - ill, 0), (ill, ill))
    })
    .await;
    proxy.stop().await;
}
