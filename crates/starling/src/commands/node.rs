//! `starling node`.

use super::Session;
use crate::output::table;
use clap::Subcommand;
use console::wire::{LIST_LIMIT_MAX, Node, NodeList, Revocation};
use model::{HostName, RegionName};
use reqwest::Method;
use std::process::ExitCode;

/// What can be done with the nodes of the regions' swarms.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List the nodes that were let in, and until when their certificates are valid.
    List {
        /// Only those of this region.
        #[arg(long)]
        region: Option<RegionName>,
    },
    /// Keep a node out of its region's swarm from now on, whatever certificate it shows.
    Revoke {
        /// Its region.
        region: RegionName,
        /// Its name there.
        name: HostName,
        /// Why, for those who wonder later.
        #[arg(long)]
        reason: String,
    },
}

pub async fn run(command: NodeCommand, session: &Session) -> anyhow::Result<ExitCode> {
    match command {
        NodeCommand::List { region } => {
            let list = list(region.as_ref(), session).await?;
            session.form.print(&list, |list| nodes_table(&list.nodes))?;
        }
        NodeCommand::Revoke { region, name, reason } => {
            let path = format!("/v1/nodes/{region}/{name}/revoke");
            let node: Node = session
                .api
                .send_json(Method::POST, &path, &Revocation { reason })
                .await?;
            session.form.print(&node, |node| {
                format!(
                    "revoked {} of region {}; its peers drop it within seconds\nto let the machine in again: delete \
                     its identity file, then starling join-token create --region {} --name {}",
                    node.name, node.region, node.region, node.name
                )
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Every page.
async fn list(region: Option<&RegionName>, session: &Session) -> anyhow::Result<NodeList> {
    let of_region = region
        .map(|region| format!("&region={region}"))
        .unwrap_or_default();
    let mut nodes = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/v1/nodes?limit={LIST_LIMIT_MAX}{of_region}{after}");
        let page: NodeList = session.api.get(&path).await?;
        nodes.extend(page.nodes);
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(NodeList { nodes, next: None }),
        }
    }
}

fn nodes_table(nodes: &[Node]) -> String {
    let rows = nodes.iter().map(|node| {
        let state = match node.revoked_at {
            Some(at) => format!("revoked at {at}: {}", node.reason.as_deref().unwrap_or_default()),
            None if node.expired => "expired".to_owned(),
            None => String::new(),
        };
        [
            node.region.to_string(),
            node.name.to_string(),
            node.role.to_string(),
            node.peer.to_string(),
            node.certificate_until.to_string(),
            state,
        ]
    });
    table(
        ["REGION", "NODE", "ROLE", "PEER", "CERTIFICATE UNTIL", "STATE"],
        rows,
    )
}
