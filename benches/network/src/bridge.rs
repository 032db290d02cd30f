//! A bridge with a capped link to each node, in network namespaces.

use crate::Node;
use anyhow::{Context as _, bail, ensure};
use local_services::{Child, ParentDeath};
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

/// The most nodes on a bridge; their addresses are 10.77.0.1 and up.
const NODES_MAX: u8 = 64;

/// What a link lets through, each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    /// Megabits a second on the wire, headers included.
    pub megabits: u32,
}

/// Nodes on a bridge. Dropping it ends the namespaces once no process is left in them.
#[derive(Debug)]
pub struct Bridge {
    nodes: Vec<Node>,
    hub: u32,
    _keepers: Vec<Child>,
}

impl Bridge {
    /// Makes as many nodes as there are names. Processes that keep the namespaces write to `log`.
    ///
    /// # Errors
    /// Without root's rights, or when a tool of iproute2 fails; the error quotes it.
    pub fn new(names: &[String], cap: Cap, log: &Path) -> anyhow::Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "network namespaces need root: run this as root"
        );
        ensure!(
            names.len() <= usize::from(NODES_MAX),
            "a bridge has at most {NODES_MAX} nodes"
        );
        let (hub_keeper, hub) = keep_namespace(log)?;
        let mut keepers = vec![hub_keeper];
        inside(hub, &["ip", "link", "add", "br0", "type", "bridge"])?;
        inside(hub, &["ip", "link", "set", "br0", "up"])?;
        let mut nodes = Vec::new();
        for (name, number) in names.iter().zip(1_u8..) {
            let (keeper, namespace) = keep_namespace(log)?;
            keepers.push(keeper);
            let address = Ipv4Addr::new(10, 77, 0, number);
            plug(hub, namespace, &format!("port{number}"), address, cap)?;
            nodes.push(Node {
                name: name.clone(),
                address,
                keeper: Some(namespace),
            });
        }
        Ok(Self {
            nodes,
            hub,
            _keepers: keepers,
        })
    }

    /// The nodes, in the order of their names.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Bytes on the wire that all nodes together have sent so far, headers included.
    ///
    /// # Errors
    /// When the bridge can't be asked.
    pub fn bytes_sent(&self) -> anyhow::Result<u64> {
        let ports = 1..=self.nodes.len();
        let files = ports.map(|number| format!("/sys/class/net/port{number}/statistics/rx_bytes"));
        // sysfs shows the namespace of whoever mounted it.
        let mount = "mount -t sysfs none /sys && exec cat \"$@\"".to_owned();
        let script: Vec<String> = ["unshare", "--mount", "sh", "-c"].map(str::to_owned).to_vec();
        let all: Vec<String> = script
            .into_iter()
            .chain([mount, "sh".to_owned()])
            .chain(files)
            .collect();
        let text = inside(self.hub, &all.iter().map(String::as_str).collect::<Vec<_>>())?;
        let counts = text.split_whitespace().map(str::parse::<u64>);
        Ok(counts.sum::<Result<u64, _>>()?)
    }
}

/// Moves this thread, and every thread and process that it starts from now on, into a node's namespace.
///
/// # Errors
/// Without root's rights.
pub fn enter(node: &Node) -> anyhow::Result<()> {
    let Some(keeper) = node.keeper else { return Ok(()) };
    let namespace = File::open(format!("/proc/{keeper}/ns/net"))?;
    let network = rustix::thread::LinkNameSpaceType::Network;
    rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), Some(network))
        .with_context(|| format!("failed to enter the namespace of {}", node.name))
}

/// Starts a process that does nothing but hold a new network namespace.
fn keep_namespace(log: &Path) -> anyhow::Result<(Child, u32)> {
    let arguments = ["--net", "--", "sleep", "infinity"];
    let keeper = Child::start(Path::new("unshare"), arguments, &[], ParentDeath::Kill, log)?;
    let pid = keeper.id().context("the namespace's keeper ended at once")?;
    let ours = std::fs::read_link("/proc/self/ns/net")?;
    let theirs = format!("/proc/{pid}/ns/net");
    for _ in 0..500 {
        if std::fs::read_link(&theirs).context("failed to make a network namespace")? != ours {
            return Ok((keeper, pid));
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    bail!("a network namespace was not made in time");
}

/// Connects a namespace to the hub's bridge.
fn plug(hub: u32, node: u32, port: &str, address: Ipv4Addr, cap: Cap) -> anyhow::Result<()> {
    let (node_text, address) = (node.to_string(), format!("{address}/24"));
    // Larger segments would pass the token bucket in bursts, and flows would share it by luck.
    let small = ["gso_max_segs", "4"];
    let pair = [
        "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", &node_text,
    ];
    inside(hub, &pair)?;
    inside(
        hub,
        &[
            "ip", "link", "set", port, small[0], small[1], "master", "br0", "up",
        ],
    )?;
    inside(node, &["ip", "address", "add", &address, "dev", "eth0"])?;
    inside(node, &["ip", "link", "set", "eth0", small[0], small[1], "up"])?;
    inside(node, &["ip", "link", "set", "lo", "up"])?;
    let rate = format!("{}mbit", cap.megabits);
    for (namespace, device) in [(hub, port), (node, "eth0")] {
        let bucket = ["rate", &rate, "burst", "64k", "latency", "20ms"];
        let add = ["tc", "qdisc", "add", "dev", device, "root", "tbf"];
        inside(namespace, &[&add[..], &bucket[..]].concat())?;
    }
    Ok(())
}

/// Runs a tool in a namespace; what it wrote.
fn inside(namespace: u32, command: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("nsenter")
        .arg(format!("--net=/proc/{namespace}/ns/net"))
        .arg("--")
        .args(command)
        .output()
        .context("failed to start nsenter (Debian package util-linux)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`{}` failed: {}",
        command.join(" "),
        said.trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
