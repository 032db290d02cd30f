//! Hosts with an agent, as their regions' managers speak of them.

use crate::Error;
use model::labels::Place;
use model::region_report::HostFacts;
use model::{InstanceName, RegionName};
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use std::collections::BTreeMap;

/// One host as the columns of `inventory`.
#[derive(Serialize)]
struct Columns<'a> {
    name: InstanceName,
    host: &'a str,
    zone: &'a str,
    labels: model::labels::Placed,
    alive: bool,
}

/// Stores what is news. A host that is not heard of is noted only where it is known: one that has retired does not
/// come back by being lost.
pub(in super::super) async fn take_in(
    connection: &mut PgConnection,
    region: &RegionName,
    hosts: &[HostFacts],
) -> Result<(), Error> {
    if hosts.is_empty() {
        return Ok(());
    }
    // Sorted, so that two reports lock rows in one order; the last word wins.
    let columns: BTreeMap<_, _> = hosts
        .iter()
        .map(|facts| (&facts.host, columns(region, facts)))
        .collect();
    let columns: Vec<&Columns<'_>> = columns.values().collect();
    sqlx::query(
        "INSERT INTO inventory AS known (id, name, kind, region, zone, host, labels, alive)
         SELECT gen_random_uuid(), name, 'AGENT', $1, zone, host, labels, alive
         FROM jsonb_to_recordset($2) AS said (name text, host text, zone text, labels jsonb, alive boolean)
         WHERE alive OR EXISTS (SELECT FROM inventory
                                WHERE inventory.name = said.name AND inventory.retired_at IS NULL)
         ON CONFLICT (name) WHERE retired_at IS NULL DO UPDATE
         SET zone = excluded.zone, labels = excluded.labels, alive = excluded.alive, changed_at = now()
         WHERE (known.zone, known.labels, known.alive)
               IS DISTINCT FROM (excluded.zone, excluded.labels, excluded.alive)",
    )
    .bind(region.as_str())
    .bind(Json(columns))
    .execute(connection)
    .await?;
    Ok(())
}

fn columns<'a>(region: &RegionName, facts: &'a HostFacts) -> Columns<'a> {
    let place = Place {
        region,
        zone: Some(&facts.zone),
        host: Some(&facts.host),
    };
    Columns {
        name: InstanceName::of_agent(region, &facts.host),
        host: facts.host.as_str(),
        zone: facts.zone.as_str(),
        labels: facts.labels.placed(&place),
        alive: facts.alive,
    }
}
