//! Reads distributions, and passes on what operators say about them.

use crate::app::App;
use crate::refusal::Refusal;
use crate::wire;
use database::builds::{ControlsRow, DistributionChange, DistributionRow};
use model::control::{Hold, Limits, RegionControls};
use model::{Actor, ArtifactId, RegionName};
use std::collections::BTreeMap;

/// What was said to a region to which nothing was ever said.
fn nothing_said(region: RegionName) -> ControlsRow {
    ControlsRow {
        region,
        controls: RegionControls::default(),
        told: true,
        failures: 0,
        actor: None,
        limited_at: None,
    }
}

/// What was said to each region, for every region.
struct Said(BTreeMap<RegionName, ControlsRow>);

impl Said {
    async fn read(app: &App) -> Result<Self, Refusal> {
        let regions = app.builds.regions().await?;
        let mut said: BTreeMap<_, _> = regions
            .into_iter()
            .map(|region| (region.name.clone(), nothing_said(region.name)))
            .collect();
        for row in app.builds.region_controls().await? {
            said.insert(row.region.clone(), row);
        }
        Ok(Self(said))
    }

    fn join(&self, artifact: &ArtifactId, rows: Vec<DistributionRow>) -> wire::Distribution {
        let mut rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.region.clone(), row)).collect();
        let regions = self.0.values().filter_map(|said| {
            let (hold, preference) = said.controls.of(artifact);
            let row = rows.remove(&said.region);
            let untouched = hold == Hold::None && preference == 0;
            (row.is_some() || !untouched).then(|| wire::RegionDistribution {
                region: said.region.clone(),
                progress: row.map(|row| wire::Progress {
                    summary: row.summary,
                    curve: row.curve,
                    began_at: row.began_at,
                    reported_at: row.reported_at,
                }),
                hold,
                preference,
                limits: said.controls.limits,
                told: said.told,
            })
        });
        wire::Distribution {
            artifact: *artifact,
            regions: regions.collect(),
        }
    }
}

/// The artifacts that were distributed last.
pub(crate) async fn list(app: &App) -> Result<wire::DistributionList, Refusal> {
    let said = Said::read(app).await?;
    let rows = app.builds.distributions(wire::DISTRIBUTIONS_MAX).await?;
    let same =
        |one: &DistributionRow, other: &DistributionRow| one.summary.artifact == other.summary.artifact;
    let distributions = rows.chunk_by(same).filter_map(|rows| {
        let artifact = rows.first()?.summary.artifact;
        Some(said.join(&artifact, rows.to_vec()))
    });
    Ok(wire::DistributionList {
        distributions: distributions.collect(),
    })
}

/// One artifact's way in every region; empty where nobody ever spoke of it.
pub(crate) async fn of(app: &App, artifact: &ArtifactId) -> Result<wire::Distribution, Refusal> {
    let said = Said::read(app).await?;
    let rows = app.builds.distributions_of(artifact).await?;
    Ok(said.join(artifact, rows))
}

/// One artifact's way, which somebody must have spoken of.
pub(crate) async fn one(app: &App, artifact: &ArtifactId) -> Result<wire::Distribution, Refusal> {
    let distribution = of(app, artifact).await?;
    if distribution.regions.is_empty() {
        return Err(Refusal::UnknownDistribution(*artifact));
    }
    Ok(distribution)
}

/// Says something about a distribution, to one region or to all.
pub(crate) async fn change(
    app: &App,
    actor: &Actor,
    artifact: &ArtifactId,
    region: Option<&RegionName>,
    change: DistributionChange,
) -> Result<(), Refusal> {
    app.builds
        .control_distribution(artifact, region, change, actor)
        .await?;
    let region = region.map_or("every region", RegionName::as_str);
    tracing::info!(artifact.id = %artifact, region.name = region, actor = %actor, ?change, "a distribution was controlled");
    Ok(())
}

/// Every region's limits.
pub(crate) async fn limits(app: &App) -> Result<wire::RegionLimitsList, Refusal> {
    let said = Said::read(app).await?;
    Ok(wire::RegionLimitsList {
        regions: said.0.into_values().map(limits_of).collect(),
    })
}

fn limits_of(said: ControlsRow) -> wire::RegionLimits {
    wire::RegionLimits {
        region: said.region,
        limits: said.controls.limits,
        told: said.told,
        actor: said.actor,
        limited_at: said.limited_at,
    }
}

/// Sets a region's limits.
pub(crate) async fn set_limits(
    app: &App,
    actor: &Actor,
    region: &RegionName,
    limits: &Limits,
) -> Result<wire::RegionLimits, Refusal> {
    limits
        .validate()
        .map_err(|error| Refusal::Invalid(error.to_string()))?;
    app.builds.set_limits(region, limits, actor).await?;
    tracing::info!(region.name = %region, actor = %actor, ?limits, "a region's limits were set");
    let mut said = Said::read(app).await?;
    let said = said.0.remove(region);
    said.map(limits_of)
        .ok_or_else(|| Refusal::UnknownRegion(region.clone()))
}
