//! Reads the inventory, and says it in the words of [`wire`](crate::wire).

use crate::app::App;
use crate::refusal::Refusal;
use crate::wire::{self, InstanceStatus, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX};
use database::builds::{InventoryFilter, InventoryPosition, InventoryRow};
use model::labels::{Selector, Term};

/// What a list's address asks for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    filter: InventoryFilter,
    after: Option<InventoryPosition>,
    limit: u32,
}

impl Wanted {
    /// Reads the part of an address after `?`, in which `label` may stand several times.
    pub(crate) fn read(pairs: &[(String, String)]) -> Result<Self, Refusal> {
        let mut wanted = Self {
            limit: LIST_LIMIT_DEFAULT,
            ..Self::default()
        };
        let mut terms: Vec<Term> = Vec::new();
        for (name, value) in pairs {
            let invalid = |error: String| Refusal::Invalid(format!("{name}: {error}"));
            match name.as_str() {
                "label" => {
                    let selector: Selector = value.parse().map_err(|error| invalid(format!("{error}")))?;
                    terms.extend_from_slice(selector.terms());
                }
                // A form's field that was left empty asks for nothing.
                "status" if value.is_empty() => {}
                "status" => {
                    let status = value.parse().map_err(|error| invalid(format!("{error}")))?;
                    wanted.filter.status = Some(status);
                }
                "retired" => {
                    wanted.filter.retired = value.parse().map_err(|error| invalid(format!("{error}")))?;
                }
                "limit" => wanted.limit = value.parse().map_err(|error| invalid(format!("{error}")))?,
                "after" => wanted.after = Some(position(value)?),
                _ => return Err(invalid("give label, status, retired, limit or after".to_owned())),
            }
        }
        wanted.filter.labels = Selector::new(terms).map_err(|error| Refusal::Invalid(error.to_string()))?;
        Ok(wanted)
    }

    /// Whether it is the beginning of a list.
    pub(crate) const fn is_first(&self) -> bool {
        self.after.is_none()
    }

    /// The labels that are asked for, as they would be written.
    pub(crate) fn labels(&self) -> String {
        self.filter.labels.to_string()
    }

    /// The status that is asked for.
    pub(crate) fn status(&self) -> &'static str {
        self.filter.status.map_or("", model::InstanceHealth::as_str)
    }
}

/// Reads where a page begins, as the one before it said.
fn position(after: &str) -> Result<InventoryPosition, Refusal> {
    let words = after.split_once('/');
    let parsed = words.and_then(|(name, id)| Some((name.parse().ok()?, id.parse().ok()?)));
    let (name, id) = parsed
        .ok_or_else(|| Refusal::Invalid("after: give what the page before called `next`".to_owned()))?;
    Ok(InventoryPosition { name, id })
}

/// A page of instances.
pub(crate) async fn list(app: &App, wanted: &Wanted) -> Result<wire::InstanceList, Refusal> {
    let limit = wanted.limit.clamp(1, LIST_LIMIT_MAX);
    let rows = app
        .builds
        .list_inventory(&wanted.filter, wanted.after.as_ref(), limit)
        .await?;
    let full = u32::try_from(rows.len()).is_ok_and(|count| count >= limit);
    let next = rows
        .last()
        .filter(|_| full)
        .map(|row| format!("{}/{}", row.name, row.id));
    Ok(wire::InstanceList {
        instances: rows.into_iter().map(in_words).collect(),
        next,
    })
}

/// One instance.
pub(crate) async fn instance(app: &App, name_or_id: &str) -> Result<wire::Instance, Refusal> {
    let found = app.builds.inventory_instance(name_or_id).await?;
    found
        .map(in_words)
        .ok_or_else(|| Refusal::UnknownInstance(name_or_id.chars().take(130).collect()))
}

fn in_words(row: InventoryRow) -> wire::Instance {
    let services = row.services.into_iter().map(|running| wire::InstanceService {
        service: running.service,
        release: running.release,
        state: running.state,
    });
    wire::Instance {
        id: row.id,
        name: row.name,
        kind: row.kind,
        region: row.region,
        zone: row.zone,
        host: row.host,
        ip: row.address,
        labels: row.labels,
        status: row.status,
        status_code: InstanceStatus(row.status),
        code_version: row.code_version,
        configuration_version: row.configuration_version,
        services: services.collect(),
        silent_seconds: row.silent_for.map(|silent| silent.as_secs_f64()),
        registered_at: row.registered_at,
        retired_at: row.retired_at,
        retired_by: row.retired_by,
        retired_reason: row.retired_reason,
    }
}
