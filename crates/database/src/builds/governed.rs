//! Deployments under policies: asked before they are confirmed and before they go on, and recorded when they are.

use super::audit::{self, Deed};
use super::deployments::Locked;
use super::policies;
use super::{Builds, DeploymentKind, DeploymentRow, HoldRow, NewDeployment, RollBack};
use crate::Error;
use model::{Actor, Selector};
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
            "break_glass": new.break_glass, "broken": broken, "waits_for": row.waits_for,
        }),
    };
    audit::record(connection, deed).await
}

/// Whether a person may roll back what the selector matches. The rollout itself always may.
pub(super) async fn allow_roll_back(
    connection: &mut PgConnection,
    wish: &RollBack,
    selector: &Selector,
) -> Result<(), Error> {
    if wish.only_from.is_some() {
        return Ok(());
    }
    let subject = Subject::of(wish.service.clone(), selector);
    check(connection, &wish.actor, subject, Act::RollBack).await
}

/// Whether a person may say a word to a deployment.
pub(super) async fn allow_steering(
    connection: &mut PgConnection,
    actor: &Actor,
    deployment: &Locked,
) -> Result<(), Error> {
    let subject = Subject::of(deployment.service.clone(), &deployment.selector);
    check(connection, actor, subject, Act::Steer).await
}

/// Whether a person may let automatic deployments go on.
pub(super) async fn allow_lifting(
    connection: &mut PgConnection,
    actor: &Actor,
    hold: &HoldRow,
) -> Result<(), Error> {
    check(connection, actor, hold.subject(), Act::Steer).await
}

async fn check(
    connection: &mut PgConnection,
    actor: &Actor,
    subject: Subject,
    act: Act,
) -> Result<(), Error> {
    let ask = Ask {
        actor: actor.clone(),
        subject,
        act,
        break_glass: None,
    };
    policies::check(connection, &ask).await.map(drop)
}

/// Keeps who said what to a deployment; the last thing before the transaction commits.
pub(super) async fn steered(
    connection: &mut PgConnection,
    actor: &Actor,
    action: &'static str,
    deployment: &Locked,
) -> Result<(), Error> {
    let deed = Deed {
        actor,
        action,
        subject: deployment.service.to_string(),
        detail: json!({ "deployment": deployment.id, "state": deployment.state }),
    };
    audit::record(connection, deed).await
}

/// Keeps who let automatic deployments go on; the last thing before the transaction commits.
pub(super) async fn lifted(
    connection: &mut PgConnection,
    actor: &Actor,
    hold: &HoldRow,
) -> Result<(), Error> {
    let deed = Deed {
        actor,
        action: "lift",
        subject: hold.service.to_string(),
        detail: json!({ "held_by": hold.actor, "held_for": hold.reason, "held_since": hold.since }),
    };
    audit::record(connection, deed).await
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

/// Whether a deployment that has waited for its turn may begin now; consent that has ended meanwhile does not count.
pub(super) async fn allow_beginning(
    connection: &mut PgConnection,
    deployment: &DeploymentRow,
) -> Result<(), Error> {
    ask_again(connection, deployment, Act::Deploy(deployment.build)).await
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
        ask_again(&mut *self.pool.acquire().await?, deployment, Act::Advance).await
    }
}

/// Asks on behalf of whoever confirmed a deployment.
async fn ask_again(connection: &mut PgConnection, deployment: &DeploymentRow, act: Act) -> Result<(), Error> {
    let break_glass = sqlx::query_scalar("SELECT break_glass FROM deployments WHERE id = $1")
        .bind(deployment.id.0)
        .fetch_optional(&mut *connection)
        .await?;
    let ask = Ask {
        actor: deployment.actor.clone(),
        subject: Subject::of(deployment.service.clone(), &deployment.selector),
        act,
        break_glass: break_glass.flatten(),
    };
    policies::check(connection, &ask).await.map(drop)
}
