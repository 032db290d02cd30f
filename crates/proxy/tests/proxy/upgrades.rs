//! WebSockets and whatever else a connection switches to.

use crate::rig::{HOST, LIMIT, Rig, eventually};
use crate::task::Task;
use proxy_control::Target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An upgraded connection to a task that echoes.
pub struct Tunnel(TcpStream);

impl Tunnel {
    pub async fn open(port: u16) -> Self {
        let mut stream = TcpStream::connect((HOST, port)).await.unwrap();
        let request = "GET /upgrade HTTP/1.1\r\nhost: web\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(
            head.starts_with("HTTP/1.1 101") && head.contains("upgrade: echo"),
            "{head}"
        );
        Self(stream)
    }

    pub async fn echoes(&mut self) -> bool {
        let mut word = [0; 4];
        let echoed = async {
            self.0.write_all(b"ping").await?;
            self.0.read_exact(&mut word).await
        };
        tokio::time::timeout(LIMIT, echoed).await.unwrap().is_ok() && &word == b"ping"
    }
}

async fn drain(rig: &Rig, target: Target, tunnels_ms_max: u64) -> (u64, u64) {
    let service = "web".parse().unwrap();
    rig.control()
        .drain(service, target, tunnels_ms_max)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_goes_on_after_a_swap_until_its_own_limit() {
    let rig = Rig::new();
    let proxy = rig.start().await;
    let (blue, green) = (Task::start(1), Task::start(2));
    rig.point_at(blue.target).await;
    let mut tunnel = Tunnel::open(rig.stable_port).await;
    assert!(tunnel.echoes().await);
    rig.point_at(green.target).await;
    let mut spared = Tunnel::open(rig.stable_port).await;
    assert_eq!(drain(&rig, blue.target, 60_000).await, (0, 1));
    assert!(tunnel.echoes().await);
    // A first limit holds; that of a target which got requests again in between is set anew.
    rig.point_at(blue.target).await;
    rig.point_at(green.target).await;
    assert_eq!(drain(&rig, blue.target, 1).await, (0, 1));
    eventually("closed", async || drain(&rig, blue.target, 1).await == (0, 0)).await;
    assert!(!tunnel.echoes().await);
    assert!(spared.echoes().await);
    proxy.stop.cancel();
    drop(spared);
    tokio::time::timeout(LIMIT, proxy.ended)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
