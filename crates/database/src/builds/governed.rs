//! Deployments under policies: asked before they are confirmed and before they go on, and recorded when they are.

use super::audit::{self, Deed};
use super::policies;
use super::{Builds, DeploymentKind, DeploymentRow, NewDeployment, RollBack};
use crate::Error;
use policy::{Act, Allowed, Ask, Subject};
use serde_json::json;
use sqlx::PgConnection;

/// Whether a deployment may be confirmed now.
pub(super) async fn allow(connection: &mut PgConnection, new: &NewDeployment) -> Result<Allowed, Error> {
    let ask = Ask {
        actor: new.actor.clone(),
        subject: Subject::of(new.service.clone(), &new.selector),
        act: Act::Deploy(new.build),
        break_glass: new.break_glass.clone(),
    };
    policies::check(connection, &ask).await
}

/// Keeps who confirmed a deployment, and what he broke for it; the last thing before the transaction commits.
pub(super) async fn confirmed(
    connection: &mut PgConnection,
    row: &DeploymentRow,
    new: &NewDeployment,
    allowed: &Allowed,
) -> Result<(), Error> {
    if new.break_glass.is_some() {
        sqlx::query("UPDATE deployments SET break_glass = $2 WHERE id = $1")
            .bind(row.id.0)
            .bind(new.break_glass.as_deref())
            .execute(&mut *connection)
            .await?;
    }
    let broken: Vec<String> = allowed.broken.iter().map(ToString::to_string).collect();
    let deed = Deed {
        actor: &new.actor,
        action: "deploy",
        subject: new.service.to_string(),
        detail: json!({
            "deployment": row.id, "release": row.release, "build": new.build, "artifact": new.artifact,
            "configuration": row.configuration.version, "labels": new.selector,
            "break_glass": new.break_glass, "broken": broken,
        }),
    };
    audit::record(connection, deed).await
}

/// Whether a person may roll a service back. The rollout itself always may.
pub(super) async fn allow_roll_back(connection: &mut PgConnection, wish: &RollBack) -> Result<(), Error> {
    if wish.only_from.is_some() {
        return Ok(());
    }
    let ask = Ask {
        actor: wish.actor.clone(),
        subject: Subject {
            service: wish.service.clone(),
            environment: None,
        },
        act: Act::RollBack,
        break_glass: None,
    };
    policies::check(connection, &ask).await.map(drop)
}

/// Keeps who went back; the last thing before the transaction commits.
pub(super) async fn rolled_back(
    connection: &mut PgConnection,
    row: &DeploymentRow,
    wish: &RollBack,
) -> Result<(), Error> {
    let deed = Deed {
        actor: &wish.actor,
        action: "rollback",
        subject: wish.service.to_string(),
        detail: json!({
            "deployment": row.id, "release": row.release, "build": row.build, "reason": wish.reason,
        }),
    };
    audit::record(connection, deed).await
}

impl Builds {
    /// Whether a deployment that was confirmed may go on now; asked before each of its steps. A rollback always may, and
    /// a glass that was broken stays broken.
    ///
    /// Fails with [`Error::Denied`].
    pub async fn may_advance(&self, deployment: &DeploymentRow) -> Result<(), Error> {
        if deployment.kind != DeploymentKind::Rollout {
            return Ok(());
        }
        let mut connection = self.pool.acquire().await?;
        let break_glass = sqlx::query_scalar("SELECT break_glass FROM deployments WHERE id = $1")
            .bind(deployment.id.0)
            .fetch_optional(&mut *connection)
            .await?;
        let ask = Ask {
            actor: deployment.actor.clone(),
            subject: Subject::of(deployment.service.clone(), &deployment.selector),
            act: Act::Advance,
            break_glass: break_glass.flatten(),
        };
        policies::check(&mut connection, &ask).await.map(drop)
    }
}
