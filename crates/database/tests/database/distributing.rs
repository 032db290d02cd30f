//! What regions tell of distributions, and what operators say about them.

use crate::support::{TestBuilds, actor, new_deployment, on_builds, region};
use database::Error;
use database::builds::{ControlsRow, DistributionChange};
use model::control::{Hold, Limits, RegionControls};
use model::distribution::{CURVE_POINTS_MAX, DISTRIBUTIONS_MAX, Distribution, HostCounts, Rates};
use model::instance::Transfer;
use model::region_report::RegionReport;
use model::{ArtifactId, Epoch};

const PAUSE: DistributionChange = DistributionChange::Hold(Hold::Paused);
const ABORT: DistributionChange = DistributionChange::Hold(Hold::Aborted);
const RESUME: DistributionChange = DistributionChange::Hold(Hold::None);

fn summary(artifact: ArtifactId, elapsed_ms: u64, held: u64) -> Distribution {
    Distribution {
        artifact,
        elapsed_ms,
        artifact_bytes: 100,
        hosts: HostCounts {
            all: 1,
            fetching: 1,
            ..HostCounts::default()
        },
        transfer: Transfer {
            peer_bytes: held,
            ..Transfer::default()
        },
        rates: Rates::default(),
        rejected_pieces: 0,
        rarity: None,
        slowest: Vec::new(),
        bound: None,
        left_ms: None,
    }
}

async fn tell(builds: &TestBuilds, term: i64, distributions: Vec<Distribution>) -> Result<(), Error> {
    let report = RegionReport {
        region: region("east"),
        term,
        hosts_alive: 1,
        store_bytes_read: 0,
        instances: Vec::new(),
        services: Vec::new(),
        hosts: Vec::new(),
        distributions,
    };
    builds.apply_region_report(&report).await
}

/// Moves what was told of every distribution into the past.
async fn age(builds: &TestBuilds, minutes: i32) {
    sqlx::query(
        "UPDATE distributions SET began_at = began_at - make_interval(mins => $1),
                reported_at = reported_at - make_interval(mins => $1)",
    )
    .bind(minutes)
    .execute(&builds.sql)
    .await
    .unwrap();
}

#[test]
fn the_last_summary_is_kept_and_the_curve_goes_on_under_a_new_leader() {
    on_builds(async |builds| {
        let artifact = ArtifactId([1; 32]);
        tell(builds, 1, vec![summary(artifact, 5_000, 10)]).await.unwrap();
        // A new leader has only just begun to listen.
        tell(builds, 2, vec![summary(artifact, 0, 20)]).await.unwrap();
        let stale = tell(builds, 1, vec![summary(artifact, 9_000, 15)])
            .await
            .unwrap_err();
        assert!(matches!(stale, Error::StaleTerm { .. }), "{stale}");

        let rows = builds.distributions_of(&artifact).await.unwrap();
        assert_eq!((rows.len(), &rows[0].summary), (1, &summary(artifact, 0, 20)));
        let points = rows[0].curve.points();
        let held: Vec<_> = points.iter().map(|point| point.held_bytes).collect();
        assert_eq!(held, [10, 20]);
        assert!(
            points[0].at_ms >= 5_000 && points[1].at_ms > points[0].at_ms,
            "{points:?}"
        );
    });
}

#[test]
fn an_artifact_that_is_distributed_again_much_later_has_a_new_curve() {
    on_builds(async |builds| {
        let artifact = ArtifactId([1; 32]);
        tell(builds, 1, vec![summary(artifact, 0, 10)]).await.unwrap();
        age(builds, 30).await;
        tell(builds, 1, vec![summary(artifact, 1_000, 20)]).await.unwrap();
        let row = builds.distributions_of(&artifact).await.unwrap().remove(0);
        assert_eq!(row.curve.points().len(), 1);
        assert_eq!(row.curve.points()[0].at_ms, 1_000);
    });
}

#[test]
fn what_is_kept_is_bounded() {
    on_builds(async |builds| {
        let artifact = ArtifactId([1; 32]);
        for number in 0..200 {
            tell(builds, 1, vec![summary(artifact, number, number)])
                .await
                .unwrap();
        }
        let row = builds.distributions_of(&artifact).await.unwrap().remove(0);
        assert!(row.curve.points().len() <= CURVE_POINTS_MAX);

        for number in 0..100 {
            tell(builds, 1, vec![summary(ArtifactId([number; 32]), 0, 0)])
                .await
                .unwrap();
        }
        assert_eq!(builds.distributions(1_000).await.unwrap().len(), 64);
        let many = vec![summary(artifact, 0, 0); DISTRIBUTIONS_MAX + 1];
        let error = tell(builds, 1, many).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    });
}

async fn said(builds: &TestBuilds) -> Vec<ControlsRow> {
    builds.region_controls().await.unwrap()
}

fn held(controls: &RegionControls, artifact: &ArtifactId) -> Hold {
    controls.of(artifact).0
}

#[test]
fn what_is_said_to_one_region_is_told_to_it_alone_with_a_larger_epoch_each_time() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        builds.deploy(&new_deployment(&artifact)).await.unwrap();
        let (id, east) = (artifact.id, region("east"));
        builds
            .control_distribution(&id, Some(&east), PAUSE, &actor())
            .await
            .unwrap();
        let due = builds.due_controls().await.unwrap();
        assert_eq!(due.len(), 1);
        let first = due[0].controls.epoch;
        assert_eq!(
            (&due[0].region, held(&due[0].controls, &id)),
            (&east, Hold::Paused)
        );

        builds
            .control_distribution(&id, None, DistributionChange::Prefer, &actor())
            .await
            .unwrap();
        builds.controls_delivered(&east, first).await.unwrap();
        let due = builds.due_controls().await.unwrap();
        assert_eq!(due.len(), 2, "what was told was replaced meanwhile");
        let again = &due.iter().find(|row| row.region == east).unwrap().controls;
        assert!(again.epoch > first && again.of(&id).1 > 0);
        assert_eq!(
            held(again, &id),
            Hold::Paused,
            "it is preferred, and still paused"
        );

        for row in due {
            builds
                .controls_delivered(&row.region, row.controls.epoch)
                .await
                .unwrap();
        }
        assert_eq!(builds.due_controls().await.unwrap(), []);
        assert!(said(builds).await.iter().all(|row| row.told));
    });
}

#[test]
fn an_abort_lasts_until_the_artifact_is_deployed_again_and_a_pause_longer() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        builds.deploy(&new_deployment(&artifact)).await.unwrap();
        let (id, east, west) = (artifact.id, region("east"), region("west"));
        builds
            .control_distribution(&id, Some(&east), ABORT, &actor())
            .await
            .unwrap();
        builds
            .control_distribution(&id, Some(&west), PAUSE, &actor())
            .await
            .unwrap();
        let before = said(builds).await;
        builds.deploy(&new_deployment(&artifact)).await.unwrap();
        let after = said(builds).await;
        assert_eq!(held(&after[0].controls, &id), Hold::None);
        assert!(after[0].controls.epoch > before[0].controls.epoch);
        assert_eq!(after[1], before[1]);
        builds
            .control_distribution(&id, None, RESUME, &actor())
            .await
            .unwrap();
        let rows = said(builds).await;
        assert!(
            rows.iter().all(|row| row.controls.distributions.is_empty()),
            "nothing is left: {rows:?}"
        );
    });
}

#[test]
fn what_was_said_about_an_artifact_goes_when_no_service_is_ordered_to_have_it() {
    on_builds(async |builds| {
        let (old, new) = (builds.verified(1).await, builds.verified(2).await);
        builds.deploy(&new_deployment(&old)).await.unwrap();
        builds
            .control_distribution(&old.id, None, PAUSE, &actor())
            .await
            .unwrap();
        builds.deploy(&new_deployment(&new)).await.unwrap();
        builds
            .control_distribution(&new.id, None, PAUSE, &actor())
            .await
            .unwrap();
        for row in said(builds).await {
            let named: Vec<_> = row
                .controls
                .distributions
                .iter()
                .map(|said| said.artifact)
                .collect();
            assert_eq!(named, [new.id]);
        }
        let error = builds
            .control_distribution(&old.id, None, PAUSE, &actor())
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::UnknownDistribution(id) if id == old.id),
            "{error}"
        );
        let nowhere = region("nowhere");
        let error = builds
            .control_distribution(&new.id, Some(&nowhere), PAUSE, &actor())
            .await;
        assert!(matches!(error, Err(Error::UnknownRegion(_))), "{error:?}");
    });
}

#[test]
fn limits_are_stored_with_who_set_them_and_told_again_when_a_region_knows_newer_ones() {
    on_builds(async |builds| {
        let east = region("east");
        let limits = Limits {
            upload_bytes_per_s: None,
            download_bytes_per_s: Some(1 << 20),
        };
        builds.set_limits(&east, &limits, &actor()).await.unwrap();
        let row = said(builds).await.remove(0);
        assert_eq!(
            (row.controls.limits, row.actor, row.told),
            (limits, Some(actor()), false)
        );

        builds.controls_failed(&east, row.controls.epoch).await.unwrap();
        assert_eq!(
            builds.due_controls().await.unwrap(),
            [],
            "it is told again a little later"
        );
        builds.controls_overtaken(&east, Epoch(40)).await.unwrap();
        let due = builds.due_controls().await.unwrap();
        assert_eq!((due.len(), due[0].controls.epoch), (1, Epoch(41)));
        let error = builds
            .set_limits(&region("nowhere"), &limits, &actor())
            .await
            .unwrap_err();
        assert!(matches!(error, Error::UnknownRegion(_)), "{error}");
    });
}
