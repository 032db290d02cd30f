//! Letting a program in: its join token is used up and its secret's hash written down in one transaction, or neither.

use super::super::Builds;
use super::super::join_tokens::{JoinTokenRow, token_columns};
use crate::{Error, row};
use model::labels::{Labels, Place};
use model::node::{JoinTokenRole, JoinTokenState};
use model::{HostName, InstanceId, InstanceName, JoinTokenId, RegionName, ZoneName};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row};
use std::net::IpAddr;
use uuid::Uuid;

/// A program that has shown a token.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The hash of the token's secret.
    pub token_hash: [u8; 32],
    /// The name that it wants.
    pub name: HostName,
    /// Where it is reached.
    pub address: IpAddr,
    /// In which zone of the token's region it stands, if it knows.
    pub zone: Option<ZoneName>,
    /// What it says of itself.
    pub labels: Labels,
    /// The hash of the secret that it will show from now on.
    pub secret_hash: [u8; 32],
}

/// Why a program was not let in. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationRefused {
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
    #[error("join token {id} is for {wanted}")]
    OtherDoor {
        /// Which token.
        id: JoinTokenId,
        /// Whom it lets in.
        wanted: String,
    },
    /// Another instance has the name, and the token was not made for it.
    #[error("another instance is registered as {0}")]
    NameTaken(HostName),
}

/// Who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredRow {
    /// What it is called whatever its name.
    pub id: InstanceId,
    /// Its name.
    pub name: HostName,
    /// Where the token has put it.
    pub region: RegionName,
}

/// What an instance must show to speak.
#[derive(Debug, Clone)]
pub struct InstanceSecret {
    /// Which instance.
    pub id: InstanceId,
    /// Its name.
    pub name: InstanceName,
    /// Which of its secrets, one after the other, this is.
    pub registration: i32,
    /// The secret's hash.
    pub hash: [u8; 32],
}

impl FromRow<'_, PgRow> for InstanceSecret {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let hash: Vec<u8> = row.try_get("secret_hash")?;
        let hash = hash.try_into().map_err(|_| sqlx::Error::ColumnDecode {
            index: "secret_hash".to_owned(),
            source: "a hash has 32 bytes".into(),
        })?;
        Ok(Self {
            id: InstanceId(row.try_get("id")?),
            name: row::word(row, "name")?,
            registration: row.try_get("registration")?,
            hash,
        })
    }
}

impl Builds {
    /// Lets a program in, for a token. It may come again with the token that it has used as long as it has not
    /// spoken yet, and gets another secret: an answer that was lost on the way costs nothing. A token that was
    /// made for a name gives the name to whoever shows it, and the secret that was used before opens nothing
    /// any more.
    ///
    /// Fails with [`Error::Registration`].
    pub async fn register_instance(&self, wanted: &Registration) -> Result<RegisteredRow, Error> {
        let mut transaction = self.pool.begin().await?;
        let token = open_token(&mut transaction, wanted).await?;
        let before = holder(&mut transaction, &wanted.name).await?;
        let id = match before {
            None if token.used_by.is_none() => InstanceId(Uuid::now_v7()),
            None => return Err(ended(&token, JoinTokenState::Used).into()),
            Some(before) => may_replace(&token, &before, &wanted.name)?,
        };
        write(&mut transaction, wanted, &token.region, id).await?;
        sqlx::query(
            "UPDATE join_tokens SET used_at = coalesce(used_at, clock_timestamp()), used_by = $2 WHERE id = $1",
        )
        .bind(token.id.0)
        .bind(id.0.simple().to_string())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(RegisteredRow {
            id,
            name: wanted.name.clone(),
            region: token.region,
        })
    }

    /// What the program that has this name or identifier must show; `None` when none has it. Of a name that was free
    /// again and is not taken, the last that had it: whether it has retired is for its heartbeat to hear.
    pub async fn instance_secret(&self, name_or_id: &str) -> Result<Option<InstanceSecret>, Error> {
        let found = sqlx::query_as(
            "SELECT inventory.id, inventory.name, inventory.secret_hash, beats.registration
             FROM inventory JOIN inventory_heartbeats AS beats ON beats.instance = inventory.id
             WHERE inventory.name = $1 OR inventory.id = $2
             ORDER BY inventory.retired_at DESC NULLS FIRST LIMIT 1",
        )
        .bind(name_or_id)
        .bind(Uuid::parse_str(name_or_id).ok())
        .fetch_optional(&self.pool)
        .await?;
        Ok(found)
    }
}

/// The instance that has a name now.
struct Holder {
    id: InstanceId,
    has_spoken: bool,
}

/// Locks the token's row, so that of several at once one goes on and the others find it used.
async fn open_token(connection: &mut PgConnection, wanted: &Registration) -> Result<JoinTokenRow, Error> {
    let token: Option<JoinTokenRow> = sqlx::query_as(concat!(
        "SELECT ",
        token_columns!(),
        " FROM join_tokens WHERE secret_hash = $1 FOR UPDATE"
    ))
    .bind(&wanted.token_hash[..])
    .fetch_optional(connection)
    .await?;
    let token = token.ok_or(RegistrationRefused::UnknownToken)?;
    let is_for_it = token.name.as_ref().is_none_or(|name| *name == wanted.name);
    if token.role != JoinTokenRole::Instance || !is_for_it {
        return Err(other_door(&token).into());
    }
    match token.state {
        // Whether it may be used again is for its holder to say, as long as it lives.
        JoinTokenState::Used if token.is_alive => Ok(token),
        JoinTokenState::Used | JoinTokenState::Expired | JoinTokenState::Withdrawn => {
            Err(ended(&token, token.state).into())
        }
        JoinTokenState::Open => Ok(token),
    }
}

async fn holder(connection: &mut PgConnection, name: &HostName) -> Result<Option<Holder>, Error> {
    let row = sqlx::query(
        "SELECT inventory.id, beats.heard_at IS NOT NULL AS has_spoken
         FROM inventory JOIN inventory_heartbeats AS beats ON beats.instance = inventory.id
         WHERE inventory.name = $1 AND inventory.retired_at IS NULL
         FOR UPDATE OF inventory",
    )
    .bind(name.as_str())
    .fetch_optional(connection)
    .await?;
    let holder = row.map(|row| {
        Ok::<_, sqlx::Error>(Holder {
            id: InstanceId(row.try_get("id")?),
            has_spoken: row.try_get("has_spoken")?,
        })
    });
    Ok(holder.transpose()?)
}

/// Whether a token gives away the name that an instance has.
fn may_replace(
    token: &JoinTokenRow,
    before: &Holder,
    name: &HostName,
) -> Result<InstanceId, RegistrationRefused> {
    match &token.used_by {
        Some(user) if *user != before.id.0.simple().to_string() || before.has_spoken => {
            Err(ended(token, JoinTokenState::Used))
        }
        Some(_) => Ok(before.id),
        None if token.name.is_some() => Ok(before.id),
        None => Err(RegistrationRefused::NameTaken(name.clone())),
    }
}

fn ended(token: &JoinTokenRow, state: JoinTokenState) -> RegistrationRefused {
    RegistrationRefused::Ended { id: token.id, state }
}

fn other_door(token: &JoinTokenRow) -> RegistrationRefused {
    let kind = token.role.as_str().to_lowercase();
    let name = token
        .name
        .as_ref()
        .map(|name| format!(" {name}"))
        .unwrap_or_default();
    RegistrationRefused::OtherDoor {
        id: token.id,
        wanted: format!("{kind}{name} in region {}", token.region),
    }
}

async fn write(
    connection: &mut PgConnection,
    wanted: &Registration,
    region: &RegionName,
    id: InstanceId,
) -> Result<(), Error> {
    let labels = wanted.labels.placed(&Place {
        region,
        zone: wanted.zone.as_ref(),
        host: None,
    });
    let written = sqlx::query(
        "INSERT INTO inventory (id, name, kind, region, zone, address, labels, secret_hash)
         VALUES ($1, $2, 'EXTERNAL', $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE
         SET region = excluded.region, zone = excluded.zone, address = excluded.address,
             labels = excluded.labels, secret_hash = excluded.secret_hash, registered_at = now(),
             changed_at = now()",
    )
    .bind(id.0)
    .bind(wanted.name.as_str())
    .bind(region.as_str())
    .bind(wanted.zone.as_ref().map(ZoneName::as_str))
    .bind(wanted.address.to_string())
    .bind(Json(labels))
    .bind(&wanted.secret_hash[..])
    .execute(&mut *connection)
    .await;
    match written {
        // Somebody else took the name since `holder` looked.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            return Err(RegistrationRefused::NameTaken(wanted.name.clone()).into());
        }
        other => other?,
    };
    sqlx::query(
        "INSERT INTO inventory_heartbeats AS known (instance, registration) VALUES ($1, 1)
         ON CONFLICT (instance) DO UPDATE
         SET registration = known.registration + 1, sequence = 0, status = 0, code_version = NULL,
             configuration_version = NULL, heard_at = NULL",
    )
    .bind(id.0)
    .execute(connection)
    .await?;
    Ok(())
}
