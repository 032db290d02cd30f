//! The nodes that were let in: renewed while they live, revoked when they should be no more.

use super::Builds;
use super::enrol::EnrolmentRefused;
use crate::{Error, PAGE_ROWS_MAX, row};
use jiff::Timestamp;
use model::node::{REVOKED_MAX, Role};
use model::{Actor, HostName, PeerName, RegionName, ZoneName};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::time::Duration;

/// One key that was let into a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Its region.
    pub region: RegionName,
    /// Its key's name.
    pub peer: PeerName,
    /// Its name.
    pub name: HostName,
    /// What it is there.
    pub role: Role,
    /// When it was let in last.
    pub enrolled_at: Timestamp,
    /// When its certificate was last renewed.
    pub renewed_at: Option<Timestamp>,
    /// The end of its newest certificate.
    pub certificate_until: Timestamp,
    /// Whether that has passed, by the database's clock.
    pub expired: bool,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// By whom.
    pub revoked_by: Option<Actor>,
    /// Why.
    pub reason: Option<String>,
    /// Its zone, if it ever reported a service.
    pub zone: Option<ZoneName>,
}

impl FromRow<'_, PgRow> for NodeRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            region: row::word(row, "region")?,
            peer: row::word(row, "peer")?,
            name: row::word(row, "name")?,
            role: row::word(row, "role")?,
            enrolled_at: row::time(row, "enrolled_at")?,
            renewed_at: row::time_option(row, "renewed_at")?,
            certificate_until: row::time(row, "certificate_until")?,
            expired: row.try_get("expired")?,
            revoked_at: row::time_option(row, "revoked_at")?,
            revoked_by: row::word_option(row, "revoked_by")?,
            reason: row.try_get("reason")?,
            zone: row::word_option(row, "zone")?,
        })
    }
}

/// The columns of a [`NodeRow`].
macro_rules! node_columns {
    () => {
        "nodes.*, nodes.certificate_until <= clock_timestamp() AS expired,
         (SELECT instances.zone FROM services
          JOIN instances ON instances.service = services.name AND instances.region = nodes.region
                        AND instances.host = nodes.name
          LIMIT 1) AS zone"
    };
}
pub(super) use node_columns;

impl Builds {
    /// Notes that a node that has proven its key gets another certificate.
    ///
    /// Fails with [`Error::Enrolment`] when the key is unknown, revoked, or came too late.
    pub async fn renew_node(
        &self,
        region: &RegionName,
        peer: &PeerName,
        life: Duration,
    ) -> Result<NodeRow, Error> {
        let renewed = sqlx::query_as(concat!(
            "UPDATE nodes SET renewed_at = now(), certificate_until = now() + make_interval(secs => $3),
                 dangerous_until = greatest(dangerous_until, now() + make_interval(secs => $3))
             WHERE region = $1 AND peer = $2 AND revoked_at IS NULL AND certificate_until > now()
             RETURNING ",
            node_columns!()
        ))
        .bind(region.as_str())
        .bind(peer.as_str())
        .bind(life.as_secs_f64())
        .fetch_optional(&self.pool)
        .await?;
        if let Some(node) = renewed {
            return Ok(node);
        }
        let refused = match self.node(region, peer).await? {
            None => EnrolmentRefused::UnknownNode(region.clone()),
            Some(node) => match node.revoked_at {
                Some(at) => EnrolmentRefused::Revoked {
                    region: node.region,
                    at,
                },
                None => EnrolmentRefused::Expired(node.certificate_until),
            },
        };
        Err(refused.into())
    }

    /// One key of a region, living or revoked.
    pub async fn node(&self, region: &RegionName, peer: &PeerName) -> Result<Option<NodeRow>, Error> {
        let node = sqlx::query_as(concat!(
            "SELECT ",
            node_columns!(),
            " FROM nodes WHERE region = $1 AND peer = $2"
        ))
        .bind(region.as_str())
        .bind(peer.as_str())
        .fetch_optional(&self.pool)
        .await?;
        Ok(node)
    }

    /// Nodes by region, name and key, at most `limit` and at most [`PAGE_ROWS_MAX`], beginning after one
    /// that was listed before.
    pub async fn nodes(
        &self,
        region: Option<&RegionName>,
        after: Option<(&RegionName, &HostName, &PeerName)>,
        limit: u32,
    ) -> Result<Vec<NodeRow>, Error> {
        let nodes = sqlx::query_as(concat!(
            "SELECT ",
            node_columns!(),
            " FROM nodes
             WHERE ($1::text IS NULL OR region = $1)
               AND ($2::text IS NULL OR (region, name, peer) > ($2, $3, $4))
             ORDER BY region, name, peer LIMIT $5"
        ))
        .bind(region.map(RegionName::as_str))
        .bind(after.map(|(region, _, _)| region.as_str()))
        .bind(after.map(|(_, name, _)| name.as_str()))
        .bind(after.map(|(_, _, peer)| peer.as_str()))
        .bind(row::limit(limit, PAGE_ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(nodes)
    }

    /// Revokes the key that has this name now, for ever. Answers the node as it stands now: revoked, by this
    /// call or, where no key has the name any more, by an earlier one; `None` when no key ever had it.
    pub async fn revoke_node(
        &self,
        region: &RegionName,
        name: &HostName,
        actor: &Actor,
        reason: &str,
    ) -> Result<Option<NodeRow>, Error> {
        let revoked = sqlx::query_as(concat!(
            "UPDATE nodes SET revoked_at = now(), revoked_by = $3, reason = $4
             WHERE region = $1 AND name = $2 AND revoked_at IS NULL
             RETURNING ",
            node_columns!()
        ))
        .bind(region.as_str())
        .bind(name.as_str())
        .bind(actor.as_str())
        .bind(reason)
        .fetch_optional(&self.pool)
        .await?;
        if revoked.is_some() {
            return Ok(revoked);
        }
        let before = sqlx::query_as(concat!(
            "SELECT ",
            node_columns!(),
            " FROM nodes WHERE region = $1 AND name = $2 AND revoked_at IS NOT NULL
             ORDER BY revoked_at DESC LIMIT 1"
        ))
        .bind(region.as_str())
        .bind(name.as_str())
        .fetch_optional(&self.pool)
        .await?;
        Ok(before)
    }

    /// The keys of a region that are revoked and could still show a certificate that has not expired, the
    /// last revoked first, at most [`REVOKED_MAX`].
    pub async fn revoked_peers(&self, region: &RegionName) -> Result<Vec<PeerName>, Error> {
        let rows = sqlx::query(
            "SELECT peer FROM nodes
             WHERE region = $1 AND revoked_at IS NOT NULL AND dangerous_until > now()
             ORDER BY revoked_at DESC, peer LIMIT $2",
        )
        .bind(region.as_str())
        .bind(i64::try_from(REVOKED_MAX).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        let peers = rows.iter().map(|found| row::word(found, "peer"));
        Ok(peers.collect::<sqlx::Result<_>>()?)
    }
}
