//! A deployment and its regions as the planner sees them.

use database::Builds;
use database::builds::{DeploymentKind, DeploymentRow, RegionWord, Standing};
use model::rollout::Wave;
use rollout::{Deployment, Kind, Region, Warm, waves};
use std::time::Duration;

/// A region whose leader has not spoken for this long is silent: what it said before may not hold any more.
const SILENT_AFTER: Duration = Duration::from_secs(60);

/// What the planner is shown, but for the deployment's row.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) regions: Vec<Region>,
    /// As they were made when the first one began; until then, as they would be made now.
    pub(crate) waves: Vec<Wave>,
    can_roll_back: bool,
}

/// Looks at everything that a deployment's next step depends on.
pub(crate) async fn of(builds: &Builds, deployment: &DeploymentRow) -> Result<Picture, database::Error> {
    let wave = deployment.waves.get(deployment.wave);
    let observations = wave
        .and_then(|wave| wave.min_observations)
        .unwrap_or(deployment.policy.min_observations);
    let standings = builds.standings(deployment, observations).await?;
    let regions: Vec<Region> = standings.into_iter().map(region_of).collect();
    let waves = if deployment.waves.is_empty() {
        waves(&deployment.policy, &regions)
    } else {
        deployment.waves.clone()
    };
    let failed = |region: &Region| region.failed + region.warm.failed > 0;
    let goes_wrong = deployment.overdue || regions.iter().any(failed);
    Ok(Picture {
        regions,
        waves,
        // Asked only where it matters.
        can_roll_back: goes_wrong && builds.can_roll_back(deployment).await?,
    })
}

impl Picture {
    /// The deployment as the planner sees it.
    pub(crate) fn seen<'a>(&'a self, deployment: &'a DeploymentRow) -> Deployment<'a> {
        Deployment {
            kind: match deployment.kind {
                DeploymentKind::Rollout => Kind::Rollout,
                DeploymentKind::Rollback { .. } => Kind::Rollback,
            },
            state: deployment.state,
            wave: deployment.wave,
            waves: &self.waves,
            policy: &deployment.policy,
            in_state: deployment.in_state,
            overdue: deployment.overdue,
            may_step: deployment.steps_allowed > 0,
            hold: None,
            can_roll_back: self.can_roll_back,
        }
    }
}

/// Whether a region's leader has spoken lately.
pub(crate) fn is_heard(word: Option<&RegionWord>) -> bool {
    word.is_some_and(|word| word.age < SILENT_AFTER)
}

/// What the planner needs to know of a region.
fn region_of(standing: Standing) -> Region {
    Region {
        heard: is_heard(standing.word.as_ref()) && standing.counted,
        name: standing.region,
        told: standing.told,
        cursor: standing.cursor.hosts.unwrap_or(u64::MAX),
        warms: standing.warms,
        zones: standing.zones,
        staged: standing.staged,
        activated: standing.activated,
        settled: standing.settled,
        observed: standing.observed,
        failed: standing.failed,
        excused: standing.excused,
        unknown: standing.unknown,
        warm: Warm {
            ready: standing.warm,
            observed: standing.warm_observed,
            failed: standing.warm_failed,
            excused: standing.warm_excused,
        },
        error: standing.error,
    }
}
