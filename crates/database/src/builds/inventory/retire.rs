//! Taking a program out of the inventory.

use super::super::Builds;
use super::super::audit::{self, Deed};
use crate::Error;
use model::{Actor, InstanceId};
use serde_json::json;
use uuid::Uuid;

impl Builds {
    /// Retires the instance that has this name or identifier: its name is free, and its heartbeats are refused.
    /// Answers whom; `None` when none that has not retired is called so, or when it is a host whose agent is heard
    /// of: that one is to be revoked.
    pub async fn retire_instance(
        &self,
        name_or_id: &str,
        actor: &Actor,
        reason: &str,
    ) -> Result<Option<InstanceId>, Error> {
        let mut transaction = self.pool.begin().await?;
        let retired: Option<Uuid> = sqlx::query_scalar(
            "UPDATE inventory SET retired_at = now(), retired_by = $3, retired_reason = $4, changed_at = now()
             WHERE (kind = 'EXTERNAL' OR NOT alive) AND retired_at IS NULL AND (name = $1 OR id = $2)
             RETURNING id",
        )
        .bind(name_or_id)
        .bind(Uuid::parse_str(name_or_id).ok())
        .bind(actor.as_str())
        .bind(reason)
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(id) = retired {
            sqlx::query("UPDATE inventory_heartbeats SET retired = true WHERE instance = $1")
                .bind(id)
                .execute(&mut *transaction)
                .await?;
            let deed = Deed {
                actor,
                action: "instance.retire",
                subject: name_or_id.to_owned(),
                detail: json!({ "instance": id, "reason": reason }),
            };
            audit::record(&mut transaction, deed).await?;
        }
        transaction.commit().await?;
        Ok(retired.map(InstanceId))
    }
}
