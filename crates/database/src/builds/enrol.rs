//! Letting a node in: its token is used up and its key written down in one transaction, or neither.

use super::Builds;
use super::join_tokens::{JoinTokenRow, token_columns};
use super::nodes::{NodeRow, node_columns};
use crate::Error;
use jiff::Timestamp;
use model::node::{JoinTokenRole, JoinTokenState, Role};
use model::{Actor, HostName, JoinTokenId, PeerName, RegionName};
use sqlx::PgConnection;
use std::time::Duration;

/// A node that has proven its key and shown a token.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The hash of the token's secret.
    pub secret_hash: [u8; 32],
    /// The region that it wants to join.
    pub region: RegionName,
    /// As what.
    pub role: Role,
    /// Its name there.
    pub name: HostName,
    /// The key that it has proven.
    pub peer: PeerName,
    /// How long its certificate shall be valid.
    pub life: Duration,
}

/// Why a node was not let in, or its certificate not renewed. Nothing was changed; the token, if there is
/// one, is as good as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentRefused {
    /// No token has this secret, or it ended long ago.
    #[error("there is no such join token")]
    UnknownToken,
    /// It is used up, too old or taken back.
    #[error("join token {id} is {state}")]
    Ended {
        /// Which token.
        id: JoinTokenId,
        /// Why it is of no use.
        state: JoinTokenState,
    },
    /// It opens another door.
    #[error("join token {id} is for {wanted}, and this node is {given}")]
    OtherNode {
        /// Which token.
        id: JoinTokenId,
        /// Whom it lets in.
        wanted: String,
        /// Who came.
        given: String,
    },
    /// Another key has the name, and the token was not made for it.
    #[error("another key is enrolled as {name} in region {region}")]
    NameTaken {
        /// Where.
        region: RegionName,
        /// Which name.
        name: HostName,
    },
    /// The key has another place already.
    #[error("this node's key is enrolled as {role} {name} in region {region}")]
    KeyTaken {
        /// Where.
        region: RegionName,
        /// Its name.
        name: HostName,
        /// Its role.
        role: Role,
    },
    /// The key was revoked, and stays so.
    #[error("this node's key was revoked in region {region} at {at}")]
    Revoked {
        /// Where.
        region: RegionName,
        /// When.
        at: Timestamp,
    },
    /// Nobody enrolled this key.
    #[error("this node's key is not enrolled in region {0}")]
    UnknownNode(RegionName),
    /// Its last certificate ran out before it asked for another.
    #[error("this node's certificate expired at {0}")]
    Expired(Timestamp),
}

impl Builds {
    /// Lets a node in, for a token. A key that comes again with the token that it has used gets in again, as
    /// long as the token lives: an answer that was lost on the way costs nothing. A token that was made for a
    /// name gives the name to the new key and revokes the one that had it.
    ///
    /// Fails with [`Error::Enrolment`].
    pub async fn enrol(&self, wanted: &Enrolment) -> Result<NodeRow, Error> {
        let mut transaction = self.pool.begin().await?;
        let token = use_token(&mut transaction, wanted).await?;
        make_room(&mut transaction, wanted, &token).await?;
        let node = write(&mut transaction, wanted).await?;
        transaction.commit().await?;
        Ok(node)
    }
}

/// Uses the token up. Of several at once the row's lock lets one through; the others find it used.
async fn use_token(connection: &mut PgConnection, wanted: &Enrolment) -> Result<JoinTokenRow, Error> {
    let used = sqlx::query_as(concat!(
        "UPDATE join_tokens SET used_at = coalesce(used_at, clock_timestamp()), used_by = $5
         WHERE secret_hash = $1 AND region = $2 AND role = $3 AND (name IS NULL OR name = $4)
           AND withdrawn_at IS NULL AND expires_at > clock_timestamp()
           AND (used_by IS NULL OR used_by = $5)
         RETURNING ",
        token_columns!()
    ))
    .bind(&wanted.secret_hash[..])
    .bind(wanted.region.as_str())
    .bind(wanted.role.as_str())
    .bind(wanted.name.as_str())
    .bind(wanted.peer.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    match used {
        Some(token) => Ok(token),
        None => Err(why_not(connection, wanted).await?.into()),
    }
}

/// Says why a token let nobody in. A stranger, who has no token's secret, learns nothing of any token.
async fn why_not(connection: &mut PgConnection, wanted: &Enrolment) -> Result<EnrolmentRefused, Error> {
    let token: Option<JoinTokenRow> = sqlx::query_as(concat!(
        "SELECT ",
        token_columns!(),
        " FROM join_tokens WHERE secret_hash = $1"
    ))
    .bind(&wanted.secret_hash[..])
    .fetch_optional(connection)
    .await?;
    let Some(token) = token else {
        return Ok(EnrolmentRefused::UnknownToken);
    };
    if token.state != JoinTokenState::Open {
        let (id, state) = (token.id, token.state);
        return Ok(EnrolmentRefused::Ended { id, state });
    }
    let place = |role: JoinTokenRole, name: Option<&HostName>, region: &RegionName| {
        let kind = role.as_str().to_lowercase();
        let name = name.map(|name| format!(" {name}")).unwrap_or_default();
        format!("{kind}{name} in region {region}")
    };
    Ok(EnrolmentRefused::OtherNode {
        id: token.id,
        wanted: place(token.role, token.name.as_ref(), &token.region),
        given: place(wanted.role.into(), Some(&wanted.name), &wanted.region),
    })
}

/// Makes sure that the key may have the name, and takes the name from the key before it where the token
/// says so.
async fn make_room(
    connection: &mut PgConnection,
    wanted: &Enrolment,
    token: &JoinTokenRow,
) -> Result<(), Error> {
    let found: Vec<NodeRow> = sqlx::query_as(concat!(
        "SELECT ",
        node_columns!(),
        " FROM nodes WHERE region = $1 AND (peer = $2 OR (name = $3 AND revoked_at IS NULL)) FOR UPDATE"
    ))
    .bind(wanted.region.as_str())
    .bind(wanted.peer.as_str())
    .bind(wanted.name.as_str())
    .fetch_all(&mut *connection)
    .await?;
    for node in found {
        if node.peer != wanted.peer {
            if token.name.is_none() {
                return Err(name_taken(wanted));
            }
            replace(connection, &node, &token.created_by).await?;
        } else if let Some(at) = node.revoked_at {
            let region = node.region;
            return Err(EnrolmentRefused::Revoked { region, at }.into());
        } else if (&node.name, node.role) != (&wanted.name, wanted.role) {
            let NodeRow {
                region, name, role, ..
            } = node;
            return Err(EnrolmentRefused::KeyTaken { region, name, role }.into());
        }
    }
    Ok(())
}

async fn replace(connection: &mut PgConnection, node: &NodeRow, actor: &Actor) -> Result<(), Error> {
    sqlx::query(
        "UPDATE nodes SET revoked_at = now(), revoked_by = $3, reason = 'its name was given to another key'
         WHERE region = $1 AND peer = $2",
    )
    .bind(node.region.as_str())
    .bind(node.peer.as_str())
    .bind(actor.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

async fn write(connection: &mut PgConnection, wanted: &Enrolment) -> Result<NodeRow, Error> {
    let written = sqlx::query_as(concat!(
        "INSERT INTO nodes (region, peer, name, role, certificate_until, dangerous_until)
         SELECT $1, $2, $3, $4, until, until FROM (SELECT now() + make_interval(secs => $5) AS until) AS life
         ON CONFLICT (region, peer) DO UPDATE
         SET enrolled_at = now(), certificate_until = excluded.certificate_until,
             dangerous_until = greatest(nodes.dangerous_until, excluded.dangerous_until)
         RETURNING ",
        node_columns!()
    ))
    .bind(wanted.region.as_str())
    .bind(wanted.peer.as_str())
    .bind(wanted.name.as_str())
    .bind(wanted.role.as_str())
    .bind(wanted.life.as_secs_f64())
    .fetch_one(connection)
    .await;
    match written {
        // Somebody else took the name since `make_room` looked.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(name_taken(wanted)),
        other => Ok(other?),
    }
}

fn name_taken(wanted: &Enrolment) -> Error {
    let (region, name) = (wanted.region.clone(), wanted.name.clone());
    EnrolmentRefused::NameTaken { region, name }.into()
}
