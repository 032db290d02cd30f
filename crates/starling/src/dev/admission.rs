//! Lets the nodes of a `starling dev` in: a join token for each that has no certificate to renew, with which it
//! enrols itself as anywhere. Straight through the database, since nothing else runs yet.

use super::secrets::{NodeFiles, write_private};
use database::Builds;
use database::builds::NewJoinToken;
use jiff::Timestamp;
use model::PeerName;
use std::time::Duration;
use swarm::{Certificate, JoinSecret};

/// Longer than any start.
const TOKEN_LIFE: Duration = Duration::from_secs(3_600);

/// Leaves a token beside the identity of every node that needs one.
pub async fn leave_tokens(builds: &Builds, nodes: &[NodeFiles]) -> anyhow::Result<()> {
    for node in nodes {
        let peer: PeerName = node.peer.to_string().parse()?;
        match builds.node(&node.region, &peer).await? {
            // Somebody revoked it, and it stays out until it has another key.
            Some(known) if known.revoked_at.is_some() => {}
            Some(_) if has_certificate(node) => {}
            _ => leave_token(builds, node).await?,
        }
    }
    Ok(())
}

/// Whether the node's certificate is valid now; then it renews it by itself.
fn has_certificate(node: &NodeFiles) -> bool {
    let text = fs_err::read_to_string(&node.certificate).unwrap_or_default();
    text.parse::<Certificate>().is_ok_and(|certificate| {
        let now = Timestamp::now();
        certificate
            .verify(&node.authority, &node.region, node.peer, now)
            .is_ok()
    })
}

async fn leave_token(builds: &Builds, node: &NodeFiles) -> anyhow::Result<()> {
    let secret = JoinSecret::generate();
    builds
        .create_join_token(&NewJoinToken {
            secret_hash: secret.hash(),
            region: node.region.clone(),
            role: node.role.into(),
            name: Some(node.name.clone()),
            life: TOKEN_LIFE,
            actor: "starling-dev".parse()?,
        })
        .await?;
    // A certificate that the database knows nothing of could not be renewed.
    if node.certificate.exists() {
        fs_err::remove_file(&node.certificate)?;
    }
    write_private(&node.join_token, &secret.expose())
}
