//! One deployment: its way through every region, and every host's state.

use super::badge;
use super::chart::Chart;
use super::deployment_timeline::{self, STEPS};
use super::distribution;
use super::frame::{self, Frame, fragment};
use super::rollout;
use crate::app::App;
use crate::extract::{Engineer, Id};
use crate::live::{Feed, Part, Update};
use crate::refusal::Refusal;
use crate::wire::{DeploymentDetail, HostInstance, INSTANCES_MAX, RegionProgress};
use crate::{assets, format, live, read};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use model::instance::Transfer;
use model::{DeploymentId, DeploymentState, RegionName, ReleaseNumber, ZoneName};
use std::collections::BTreeMap;

/// Up to so many hosts of a region, each is shown with its name; above, as a shape only.
const NAMED_HOSTS_MAX: usize = 24;

#[derive(Template)]
#[template(path = "deployment.html")]
struct Page {
    frame: Frame,
    head: Head,
    rollout: rollout::Part,
    regions: Regions,
    distribution: distribution::Part,
    timeline: Timeline,
    hosts: Hosts,
    live: bool,
}

#[derive(Template)]
#[template(path = "parts/deployment_head.html")]
struct Head {
    detail: DeploymentDetail,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "parts/deployment_regions.html")]
struct Regions {
    regions: Vec<Region>,
}

/// One region with the hosts in it that speak of this release.
struct Region {
    progress: RegionProgress,
    hosts: Vec<HostInstance>,
    release: ReleaseNumber,
}

#[derive(Template)]
#[template(path = "parts/deployment_timeline.html")]
struct Timeline {
    rows: Vec<deployment_timeline::Row>,
}

#[derive(Template)]
#[template(path = "parts/deployment_hosts.html")]
struct Hosts {
    hosts: Vec<HostInstance>,
    /// Whether hosts speak of a newer release by now.
    moved_on: bool,
    /// Whether there are more than one page shows.
    more: bool,
}

impl Region {
    /// Verified bytes by where they came from, as shares of all.
    fn sources(&self) -> Chart {
        let transfer = &self.progress.transfer;
        let whole = transfer.total_bytes.max(transfer.verified_bytes());
        let parts = source_list(transfer).map(|(class, _, bytes)| (class, bytes));
        Chart::stack(parts, whole)
    }

    /// The hosts by zone.
    fn zones(&self) -> BTreeMap<&ZoneName, Vec<&HostInstance>> {
        let mut zones: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for host in &self.hosts {
            zones.entry(&host.zone).or_default().push(host);
        }
        zones
    }

    /// What a host runs, as a class and in words.
    fn runs(&self, host: &HostInstance) -> (&'static str, String) {
        match host.instance.running_release {
            Some(running) if running == self.release => ("runs-new", format!("runs release {running}")),
            Some(running) => ("runs-old", format!("runs release {running} still")),
            None => ("runs-none", "runs nothing".to_owned()),
        }
    }

    fn many(&self) -> bool {
        self.hosts.len() > NAMED_HOSTS_MAX
    }

    /// The three steps of every host: name, class, how many have done it.
    fn measures(&self) -> [(&'static str, &'static str, u64); 3] {
        let progress = &self.progress;
        [
            ("staged", "ready", progress.staged),
            ("activated", "busy", progress.activated),
            ("healthy", "good", progress.healthy),
        ]
    }
}

/// Class, name and verified bytes of each source.
fn source_list(transfer: &Transfer) -> [(&'static str, &'static str, u64); 4] {
    [
        ("from-peer", "other hosts", transfer.peer_bytes),
        ("from-seed", "manager", transfer.seed_bytes),
        ("from-store", "store", transfer.store_bytes),
        ("from-local", "own disk", transfer.local_bytes),
    ]
}

struct Parts {
    head: Head,
    rollout: rollout::Part,
    regions: Regions,
    distribution: distribution::Part,
    timeline: Timeline,
    hosts: Hosts,
    ended: bool,
}

async fn parts(app: &App, id: DeploymentId) -> Result<Parts, Refusal> {
    let detail = read::deployment_detail(app, id).await?;
    let now = Timestamp::now();
    let release = detail.deployment.release;
    let more = u32::try_from(detail.instances.len()).is_ok_and(|count| count >= INSTANCES_MAX);
    let (hosts, others): (Vec<_>, Vec<_>) = detail
        .instances
        .iter()
        .cloned()
        .partition(|host| host.instance.desired_release == release);
    let moved_on = others.iter().any(|host| host.instance.desired_release > release);
    let rollout = rollout::Part::new(&detail, now);
    Ok(Parts {
        ended: !rollout.is_live(),
        rollout,
        regions: Regions {
            regions: detail
                .regions
                .iter()
                .map(|progress| Region {
                    hosts: in_region(&hosts, &progress.region),
                    release,
                    progress: progress.clone(),
                })
                .collect(),
        },
        distribution: distribution::Part::new(&detail, now),
        timeline: Timeline {
            rows: deployment_timeline::rows(&detail, now),
        },
        hosts: Hosts {
            hosts,
            moved_on,
            more,
        },
        head: Head { detail, now },
    })
}

fn in_region(hosts: &[HostInstance], region: &RegionName) -> Vec<HostInstance> {
    hosts
        .iter()
        .filter(|host| host.region == *region)
        .cloned()
        .collect()
}

/// `GET /deployments/{id}`.
pub(crate) async fn page(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(id): Id<DeploymentId>,
) -> Result<Response, Refusal> {
    let Parts {
        head,
        rollout,
        regions,
        distribution,
        timeline,
        hosts,
        ended,
    } = parts(&app, id).await?;
    let page = Page {
        frame: Frame::new("/deployments", &actor),
        head,
        rollout,
        regions,
        distribution,
        timeline,
        hosts,
        live: !ended,
    };
    Ok(frame::html(StatusCode::OK, &page))
}

/// `POST /deployments/{id}/cancel`. Cancelling what has ended changes nothing, and shows how it ended.
pub(crate) async fn cancel(
    State(app): State<App>,
    Engineer(actor): Engineer,
    Id(id): Id<DeploymentId>,
) -> Result<Response, Refusal> {
    app.builds.cancel_deployment(id, &actor).await?;
    Ok(Redirect::to(&format!("/deployments/{id}")).into_response())
}

/// `GET /deployments/{id}/live`.
pub(crate) async fn live(
    State(app): State<App>,
    _: Engineer,
    Id(id): Id<DeploymentId>,
) -> Result<Response, Refusal> {
    live::answer(app, OneDeployment(id)).await
}

struct OneDeployment(DeploymentId);

impl Feed for OneDeployment {
    async fn read(&mut self, app: &App) -> Result<Update, Refusal> {
        let parts = parts(app, self.0).await?;
        Ok(Update {
            parts: vec![
                Part::state("head", fragment(&parts.head)?),
                Part::state("rollout", fragment(&parts.rollout)?),
                Part::state("regions", fragment(&parts.regions)?),
                Part::state("distribution", fragment(&parts.distribution)?),
                Part::state("timeline", fragment(&parts.timeline)?),
                Part::state("hosts", fragment(&parts.hosts)?),
            ],
            last: parts.ended,
        })
    }
}
