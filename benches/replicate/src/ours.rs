//! Our side: the synchronizer's service, told of one artifact.

use crate::side::Outcome;
use crate::stage::{REGIONS, Stage};
use anyhow::{Context as _, bail};
use bench_harness::{MB, Meter};
use bench_stores::{StoreServer, arguments_of, bytes_read, config};
use database::builds::Artifact;
use database::{Builds, Jobs, Limits};
use local_services::{Child, ParentDeath, Postgres};
use model::ReplicaState;
use std::time::Duration;
use synchronizer::{Config, Region, Service};
use tokio_util::sync::CancellationToken;

/// How often the database is asked whether all is done: a hundredth of the shortest run.
const ASK_PERIOD: Duration = Duration::from_millis(20);

/// The build that made the artifact, as far as the database knows.
const BUILD: &str = "01900000-0000-7000-8000-000000000000";

/// The part `synchronizer` with the arguments JOBS-URL BUILDS-URL MAIN-ENDPOINT ENDPOINT…, the last in the order of
/// [`REGIONS`].
pub fn synchronize(arguments: &[String]) -> anyhow::Result<()> {
    let [jobs, builds, main, regions @ ..] = arguments else {
        bail!("a synchronizer is told its databases and stores")
    };
    let regions = REGIONS.iter().zip(regions);
    let regions = regions.map(|(name, endpoint)| Ok((name.parse()?, Region::of(config(endpoint)))));
    let config = Config::new(config(main), regions.collect::<anyhow::Result<_>>()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let jobs = Jobs::connect(jobs, Limits::default()).await?;
        let builds = Builds::connect(builds, Limits::default()).await?;
        let service = Service::new(&config, jobs, builds)?;
        Ok(service.run(CancellationToken::new()).await?)
    })
}

/// Databases, and a synchronizer that has made the regions known.
struct World {
    builds: Builds,
    synchronizer: Child,
    _postgres: Postgres,
}

impl World {
    async fn start(stage: &Stage, regions: &[StoreServer], limit: Duration) -> anyhow::Result<Self> {
        let postgres = Postgres::start(&stage.path().join("postgres")).await?;
        for database in ["jobs", "builds"] {
            postgres.create_database(database).await?;
        }
        let (jobs_url, builds_url) = (postgres.url("jobs"), postgres.url("builds"));
        Jobs::connect(&jobs_url, Limits::default())
            .await?
            .migrate()
            .await?;
        let builds = Builds::connect(&builds_url, Limits::default()).await?;
        builds.migrate().await?;
        let endpoints: Vec<String> = [&stage.main]
            .into_iter()
            .chain(regions)
            .map(StoreServer::endpoint)
            .collect();
        let told = [jobs_url.as_str(), builds_url.as_str()];
        let told = told.into_iter().chain(endpoints.iter().map(String::as_str));
        let mut synchronizer = Child::start(
            &std::env::current_exe()?,
            arguments_of("synchronizer", told),
            &[],
            ParentDeath::Kill,
            &stage.path().join("synchronizer.log"),
        )?;
        let is_known = async || {
            builds
                .regions()
                .await
                .is_ok_and(|known| known.len() == REGIONS.len())
        };
        synchronizer.wait_until(limit, is_known).await?;
        Ok(Self {
            builds,
            synchronizer,
            _postgres: postgres,
        })
    }
}

/// Copies the artifact to new stores.
pub async fn run(stage: &Stage, limit: Duration) -> anyhow::Result<Outcome> {
    let regions = stage.regions().await?;
    let mut world = World::start(stage, &regions, limit).await?;
    let id = world.synchronizer.id().context("the synchronizer runs")?;
    let stores = [&stage.main].into_iter().chain(&regions);
    let stores = stores
        .map(StoreServer::id)
        .collect::<anyhow::Result<Vec<u32>>>()?;
    let manifest = stage.manifest.signed.unverified()?;
    let artifact = Artifact {
        id: manifest.id(),
        build: BUILD.parse()?,
        repository: manifest.provenance().repository.clone(),
        commit: manifest.provenance().commit.clone(),
        target: manifest.provenance().target.clone(),
        total_bytes: stage.manifest.total,
    };

    let read_before = bytes_read(stage.main.id()?)?;
    let meter = Meter::begin([id].into_iter().chain(stores));
    world.builds.record_artifact(&artifact).await?;
    let all_verified = async {
        loop {
            let replicas = world.builds.replicas(&artifact.id).await?;
            if replicas
                .iter()
                .all(|replica| replica.state == ReplicaState::Verified)
            {
                return anyhow::Ok(());
            }
            world.synchronizer.still_runs()?;
            tokio::time::sleep(ASK_PERIOD).await;
        }
    };
    tokio::time::timeout(limit, all_verified)
        .await
        .with_context(|| format!("cut off after {:.0} s", limit.as_secs_f64()))??;
    let spent = meter.end();
    let read_of_main = bytes_read(stage.main.id()?)? - read_before;

    world.synchronizer.kill().await?;
    stage.check(regions, false).await?;
    let outcome = Outcome {
        seconds: spent.seconds,
        cpu_seconds: spent.cpu_seconds,
        peak_rss_bytes: spent.peak_rss_bytes.first().copied().unwrap_or(0),
        read_of_main,
    };
    drop(world.builds);
    drop(world._postgres);
    fs_err::remove_dir_all(stage.path().join("postgres"))?;
    eprintln!(
        "  starling   {:.2} s, {:.0} MB of memory, {:.0} MB read of the main store",
        outcome.seconds,
        outcome.peak_rss_bytes as f64 / MB,
        outcome.read_of_main as f64 / MB
    );
    Ok(outcome)
}
