//! What programs say of themselves every few seconds, many at once in one statement.

use crate::Error;
use model::{InstanceHealth, InstanceId, ReportedVersion};
use sqlx::{PgPool, Row};
use std::collections::HashMap;
use uuid::Uuid;

/// A program's sign of life. What is left out stays as it was said before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Which instance.
    pub instance: InstanceId,
    /// Which of its secrets it showed.
    pub registration: i32,
    /// Larger with every heartbeat; without one it counts as newer than whatever was heard.
    pub sequence: Option<u64>,
    /// How it is.
    pub status: Option<InstanceHealth>,
    /// Which code it runs.
    pub code_version: Option<ReportedVersion>,
    /// With which configuration.
    pub configuration_version: Option<ReportedVersion>,
}

/// What became of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is the newest word now, under this number.
    Newest(u64),
    /// It was heard before.
    Again(u64),
    /// A newer one, with this number, was heard before it.
    Late(u64),
    /// The instance has retired.
    Retired,
    /// The secret that it showed opens nothing any more.
    Replaced,
}

/// Each instance at most once, so that what a row becomes does not depend on the order.
const WRITE: &str = "
    UPDATE inventory_heartbeats AS known
    SET sequence = coalesce(said.sequence, known.sequence + 1),
        status = coalesce(said.status, known.status),
        code_version = coalesce(said.code_version, known.code_version),
        configuration_version = coalesce(said.configuration_version, known.configuration_version),
        heard_at = clock_timestamp()
    FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::smallint[], $5::text[], $6::text[])
         AS said (instance, registration, sequence, status, code_version, configuration_version)
    WHERE known.instance = said.instance AND known.registration = said.registration AND NOT known.retired
      AND coalesce(said.sequence, known.sequence + 1) > known.sequence
    RETURNING known.instance, known.sequence";

/// Writes heartbeats of instances that all differ, in one statement, and says what became of each, in their order.
pub(super) async fn write_together(pool: &PgPool, beats: &[&Beat]) -> Result<Vec<Heard>, Error> {
    let instances: Vec<Uuid> = beats.iter().map(|beat| beat.instance.0).collect();
    let registrations: Vec<i32> = beats.iter().map(|beat| beat.registration).collect();
    let sequences: Vec<Option<i64>> = beats.iter().map(|beat| beat.sequence.map(signed)).collect();
    let statuses: Vec<Option<i16>> = beats.iter().map(|beat| beat.status.map(number)).collect();
    let text =
        |version: &Option<ReportedVersion>| version.as_ref().map(|version| version.as_str().to_owned());
    let codes: Vec<Option<String>> = beats.iter().map(|beat| text(&beat.code_version)).collect();
    let configurations: Vec<Option<String>> = beats
        .iter()
        .map(|beat| text(&beat.configuration_version))
        .collect();
    let rows = sqlx::query(WRITE)
        .bind(&instances)
        .bind(&registrations)
        .bind(&sequences)
        .bind(&statuses)
        .bind(&codes)
        .bind(&configurations)
        .fetch_all(pool)
        .await?;
    let mut heard = HashMap::with_capacity(beats.len());
    for row in rows {
        let sequence: i64 = row.try_get("sequence")?;
        heard.insert(row.try_get("instance")?, Heard::Newest(sequence.unsigned_abs()));
    }
    if heard.len() < beats.len() {
        explain(pool, beats, &mut heard).await?;
    }
    let heard = beats.iter().map(|beat| heard.get(&beat.instance.0).copied());
    // A row that is not there any more was registered by nobody.
    Ok(heard.map(|heard| heard.unwrap_or(Heard::Replaced)).collect())
}

/// Says why the heartbeats that are missing in `heard` were not written.
async fn explain(pool: &PgPool, beats: &[&Beat], heard: &mut HashMap<Uuid, Heard>) -> Result<(), Error> {
    let missing = beats.iter().filter(|beat| !heard.contains_key(&beat.instance.0));
    let missing: HashMap<Uuid, &Beat> = missing.map(|beat| (beat.instance.0, *beat)).collect();
    let instances: Vec<Uuid> = missing.keys().copied().collect();
    let rows = sqlx::query(
        "SELECT instance, registration, retired, sequence FROM inventory_heartbeats WHERE instance = ANY ($1)",
    )
    .bind(&instances)
    .fetch_all(pool)
    .await?;
    for row in rows {
        let instance: Uuid = row.try_get("instance")?;
        let Some(beat) = missing.get(&instance) else {
            continue;
        };
        let (registration, retired): (i32, bool) = (row.try_get("registration")?, row.try_get("retired")?);
        let known: i64 = row.try_get("sequence")?;
        let known = known.unsigned_abs();
        let answer = match beat.sequence {
            _ if retired => Heard::Retired,
            _ if registration != beat.registration => Heard::Replaced,
            Some(sequence) if sequence == known => Heard::Again(known),
            _ => Heard::Late(known),
        };
        heard.insert(instance, answer);
    }
    Ok(())
}

/// Numbers are checked where they come in; what does not fit is larger than any.
fn signed(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

/// The interface's number of a status.
pub(super) const fn number(status: InstanceHealth) -> i16 {
    match status {
        InstanceHealth::Unknown => 0,
        InstanceHealth::Healthy => 1,
        InstanceHealth::Degraded => 2,
        InstanceHealth::Failed => 3,
    }
}
