//! A release's bytes on their way to every region's hosts, and the buttons that hold them up.

use super::chart::Chart;
use super::curve::Curve;
use crate::app::App;
use crate::extract::{Engineer, Form, Id};
use crate::refusal::Refusal;
use crate::wire::{DeploymentDetail, Progress, RegionDistribution};
use crate::{distributions, format};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use database::builds::DistributionChange;
use jiff::Timestamp;
use model::control::{Hold, Limits};
use model::distribution::{Distribution, Hindrance, Rarity, SlowHost};
use model::{DeploymentId, RegionName};
use serde::Deserialize;

/// A report of a region that is older than this is said to be old; they come every second or two.
const FRESH_FOR_S: i64 = 15;

#[derive(Template)]
#[template(path = "parts/deployment_distribution.html")]
pub(super) struct Part {
    deployment: DeploymentId,
    regions: Vec<Region>,
}

/// One region's distribution, and what is drawn of it.
struct Region {
    distribution: RegionDistribution,
    progress: Progress,
    curve: Curve,
    /// Whether its hosts can still be told something about it.
    open: bool,
    now: Timestamp,
}

/// One source's row: class, name, verified bytes, bytes a second.
type SourceRow = (&'static str, &'static str, u64, u64);

impl Part {
    pub(super) fn new(detail: &DeploymentDetail, now: Timestamp) -> Self {
        let regions = detail.regions.iter().filter_map(|region| {
            let distribution = region.distribution.clone()?;
            let progress = distribution.progress.clone()?;
            Some(Region {
                curve: Curve::new(&progress, now),
                // Once a newer deployment took this one's place, nobody fetches its bytes any more.
                open: region.cursor.is_some() && !progress.summary.is_complete(),
                distribution,
                progress,
                now,
            })
        });
        Self {
            deployment: detail.deployment.id,
            regions: regions.collect(),
        }
    }
}

impl Region {
    fn summary(&self) -> &Distribution {
        &self.progress.summary
    }

    /// How many copies there are of the pieces, while that matters.
    fn rarity(&self) -> Option<&Rarity> {
        let summary = self.summary();
        summary.rarity.as_ref().filter(|_| !summary.is_complete())
    }

    fn percent(&self) -> u64 {
        let summary = self.summary();
        let whole = summary
            .artifact_bytes
            .saturating_mul(u64::from(summary.hosts.all));
        format::percent(&summary.transfer.verified_bytes(), &whole)
    }

    /// How it stands, in a word or two, and the class that colours it.
    fn standing(&self) -> (&'static str, &'static str) {
        let hosts = &self.summary().hosts;
        match self.distribution.hold {
            _ if self.summary().is_complete() => ("good", "complete"),
            Hold::Paused => ("stopped", "paused"),
            Hold::Aborted => ("stopped", "aborted"),
            Hold::None if hosts.disk_full + hosts.failed > 0 => ("bad", "held up"),
            Hold::None if !self.open => ("stopped", "given up"),
            Hold::None => ("busy", "under way"),
        }
    }

    /// What is to be expected.
    fn left(&self) -> String {
        let summary = self.summary();
        match summary.left_ms {
            _ if summary.is_complete() => "none".to_owned(),
            _ if self.distribution.hold != Hold::None || !self.open => "unknown".to_owned(),
            Some(left) => format!("about {}", milliseconds(left)),
            None => "unknown".to_owned(),
        }
    }

    /// The least time, and what was reckoned with.
    fn bound(&self) -> Option<(String, String)> {
        let bound = self.summary().bound?;
        let basis = if bound.down_is_limit {
            "the limit"
        } else {
            "the fastest seen"
        };
        let down = format::bytes(&bound.down_bytes_per_s);
        Some((
            milliseconds(bound.least_ms),
            format!("with {down}/s a host, {basis}"),
        ))
    }

    fn took(&self) -> String {
        let points = self.progress.curve.points();
        milliseconds(points.last().map_or(0, |point| point.at_ms))
    }

    fn sources(&self) -> [SourceRow; 4] {
        let Distribution { transfer, rates, .. } = self.summary();
        [
            ("from-peer", "other hosts", transfer.peer_bytes, rates.peer),
            ("from-seed", "manager", transfer.seed_bytes, rates.seed),
            ("from-store", "store", transfer.store_bytes, rates.store),
            ("from-local", "own disk", transfer.local_bytes, 0),
        ]
    }

    fn share(&self) -> Chart {
        let whole = self.summary().transfer.verified_bytes();
        Chart::stack(self.sources().map(|(class, _, bytes, _)| (class, bytes)), whole)
    }

    /// Whether the region's leader has not spoken for so long that what is shown is old.
    fn is_old(&self) -> bool {
        let age = self.now.as_second() - self.progress.reported_at.as_second();
        self.open && age > FRESH_FOR_S
    }

    fn limits(&self) -> Option<String> {
        let Limits {
            upload_bytes_per_s,
            download_bytes_per_s,
        } = self.distribution.limits;
        let said =
            |what, limit: Option<u64>| limit.map(|limit| format!("{what} {}/s", format::bytes(&limit)));
        let both: Vec<_> = [said("down", download_bytes_per_s), said("up", upload_bytes_per_s)]
            .into_iter()
            .flatten()
            .collect();
        (!both.is_empty()).then(|| both.join(", "))
    }
}

fn milliseconds(count: u64) -> String {
    format::milliseconds(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A column a number of copies: how many copies, how many pieces, and how high in percent of the highest.
fn columns(rarity: &Rarity) -> Vec<(usize, u32, u64)> {
    let highest = rarity.pieces.iter().copied().max().unwrap_or(0).max(1);
    let height = |pieces: u32| u64::from(pieces) * 100 / u64::from(highest);
    let columns = rarity.pieces.iter().enumerate();
    columns
        .map(|(copies, &pieces)| (copies, pieces, height(pieces).max(u64::from(pieces > 0) * 3)))
        .collect()
}

/// The fewest copies that any piece has around the manager, and how many pieces have so few.
fn rarest(rarity: &Rarity) -> Option<(usize, u32)> {
    let mut pieces = rarity.pieces.iter().copied().enumerate();
    pieces.find(|(_, pieces)| *pieces > 0)
}

/// Why a host is slow, as far as it can tell.
fn why(host: &SlowHost) -> String {
    use model::distribution::ArrivalState;
    match (host.state, host.hindrance) {
        (ArrivalState::DiskFull, _) if host.lacking_bytes > 0 => {
            format!(
                "disk full: {} must become free",
                format::bytes(&host.lacking_bytes)
            )
        }
        (ArrivalState::DiskFull, _) => "disk full".to_owned(),
        (ArrivalState::Failed, _) => "failed; see the hosts below".to_owned(),
        (ArrivalState::Paused, _) => "paused".to_owned(),
        (ArrivalState::Aborted, _) => "aborted".to_owned(),
        (ArrivalState::Waiting, _) => "waits to begin".to_owned(),
        (_, Some(Hindrance::Disk)) => "its own disk is busy".to_owned(),
        (_, Some(Hindrance::DownloadLimit)) => "at its download limit".to_owned(),
        (_, Some(Hindrance::UploadLimit)) => "at its upload limit".to_owned(),
        (_, Some(Hindrance::WrongPieces)) => "gets pieces with a wrong hash".to_owned(),
        (_, Some(Hindrance::NoSource)) => "nobody sends it anything".to_owned(),
        (_, None) => String::new(),
    }
}

/// The form of the buttons.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    region: RegionName,
    say: Word,
}

/// What a button says.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Pause,
    Resume,
    Abort,
    Prefer,
}

/// `POST /deployments/{id}/distribution`.
pub(crate) async fn say(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(id): Id<DeploymentId>,
    Form(Said { region, say }): Form<Said>,
) -> Result<Response, Refusal> {
    let change = match say {
        Word::Pause => DistributionChange::Hold(Hold::Paused),
        Word::Resume => DistributionChange::Hold(Hold::None),
        Word::Abort => DistributionChange::Hold(Hold::Aborted),
        Word::Prefer => DistributionChange::Prefer,
    };
    let row = app.builds.deployment(id).await?;
    let row = row.ok_or(Refusal::UnknownDeployment(id))?;
    distributions::change(&app, &actor, &row.artifact, Some(&region), change).await?;
    Ok(Redirect::to(&format!("/deployments/{id}#bytes.{region}")).into_response())
}
