//! What people see of a distribution, and what they say about it.

use crate::support::{Console, MANAGER, TARGET, as_engineer, on_console};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use console::wire::{Deployment, DeploymentDetail, Distribution, DistributionList, RegionLimits};
use model::control::Hold;
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// One host has all of five mebibytes, the other two.
fn report(deployment: &Deployment) -> Value {
    json!({
        "region": "east", "term": 1, "hosts_alive": 2, "store_bytes_read": 0, "instances": [],
        "distributions": [{
            "artifact": deployment.artifact, "elapsed_ms": 4000, "artifact_bytes": 5 * MIB,
            "hosts": {"all": 2, "complete": 1, "fetching": 1},
            "transfer": {"total_bytes": 10 * MIB, "seed_bytes": 5 * MIB, "peer_bytes": 2 * MIB},
            "rates": {"peer": MIB, "given": MIB}, "rejected_pieces": 3,
            "rarity": {"neighbours": 2, "pieces": [0, 3, 2]},
            "slowest": [{
                "host": "east-2", "zone": "east-b", "state": "FETCHING", "held_bytes": 2 * MIB,
                "taken_bytes_per_s": MIB, "lacking_bytes": 0, "hindrance": "DISK",
            }],
            "bound": {
                "least_ms": 2500, "down_bytes_per_s": 2 * MIB, "down_is_limit": false, "up_bytes_per_s": null,
            },
            "left_ms": 3000,
        }],
    })
}

/// A deployment whose distribution is under way in `east`.
async fn under_way(console: &Console) -> Deployment {
    let build = console.built(TARGET).await;
    let deployment = console.deployed(build).await;
    let told = console
        .post_as(MANAGER, "/v1/regions/east/report", &report(&deployment))
        .await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    deployment
}

#[test]
fn a_distribution_under_way_is_listed_shown_and_part_of_its_deployment() {
    on_console(async |console| {
        let deployment = under_way(&console).await;
        let list: DistributionList = console.get("/v1/distributions").await.json();
        let path = format!("/v1/distributions/{}", deployment.artifact);
        let one: Distribution = console.get(&path).await.json();
        assert_eq!(list.distributions, std::slice::from_ref(&one));
        let detail: DeploymentDetail = console
            .get(&format!("/v1/deployments/{}", deployment.id))
            .await
            .json();
        assert_eq!(detail.regions[0].distribution.as_ref(), Some(&one.regions[0]));
        let progress = one.regions[0].progress.as_ref().unwrap();
        assert_eq!(
            (progress.summary.hosts.complete, progress.summary.left_ms),
            (1, Some(3_000))
        );
        assert_eq!(progress.curve.points().len(), 1);

        let unknown = format!("/v1/distributions/{}", "0".repeat(64));
        insta::assert_snapshot!(console.get(&unknown).await.refusal(), @r"
        404 unknown_distribution
        artifact 000000000000 is not distributed there
        see `starling distribution list`: what no service is deployed to has none
        ");
    });
}

#[test]
fn the_deployments_page_shows_how_far_it_is_who_is_slow_and_why() {
    on_console(async |console| {
        let deployment = under_way(&console).await;
        let page = console.get(&format!("/deployments/{}", deployment.id)).await.body;
        let shown = [
            "1 of 2 hosts hold all and 70 % of the bytes are there.",
            "about 3.0 s",
            "with 2.0 MiB/s a host, the fastest seen",
            "its own disk is busy",
            "3 pieces with a wrong hash",
            "3 rarest, with 1 copy. A sample: the 2 hosts next to the manager.",
            "value=\"pause\"",
            "value=\"abort\"",
            "value=\"prefer\"",
        ];
        for words in shown {
            assert!(page.contains(words), "the page does not say {words:?}:\n{page}");
        }
    });
}

#[test]
fn a_button_on_the_page_says_what_the_api_says() {
    on_console(async |console| {
        let deployment = under_way(&console).await;
        let pressed = format!("/deployments/{}/distribution", deployment.id);
        let hold = async || {
            let path = format!("/v1/distributions/{}", deployment.artifact);
            console.get(&path).await.json::<Distribution>().regions[0].hold
        };
        let answer = console.submit(&pressed, "region=east&say=pause").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        assert_eq!(hold().await, Hold::Paused);
        let page = console.get(&format!("/deployments/{}", deployment.id)).await.body;
        assert!(page.contains("value=\"resume\"") && !page.contains("value=\"pause\""));
        console.submit(&pressed, "region=east&say=resume").await;
        assert_eq!(hold().await, Hold::None);

        let abort = format!("/v1/distributions/{}/abort", deployment.artifact);
        let aborted: Distribution = console.post(&abort, &json!({"region": "east"})).await.json();
        assert_eq!(aborted.regions[0].hold, Hold::Aborted);
        let nowhere = console.post(&abort, &json!({"region": "nowhere"})).await;
        assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
        let manager = console.post_as(MANAGER, &abort, &json!({})).await;
        assert_eq!(manager.status, StatusCode::FORBIDDEN);
    });
}

#[test]
fn a_regions_limits_are_set_as_a_whole_and_too_low_ones_refused() {
    on_console(async |console| {
        let put = async |limits: Value| {
            let request =
                Request::put("/v1/regions/east/limits").header(header::CONTENT_TYPE, "application/json");
            console
                .ask(as_engineer(request), Body::from(limits.to_string()))
                .await
        };
        let set: RegionLimits = put(json!({"download_bytes_per_s": 4 * MIB})).await.json();
        assert_eq!(
            (set.limits.download_bytes_per_s, set.limits.upload_bytes_per_s),
            (Some(4 * MIB), None)
        );
        assert_eq!(
            set.actor.map(|actor| actor.to_string()).as_deref(),
            Some("ada@example.org")
        );
        let lifted: RegionLimits = put(json!({})).await.json();
        assert_eq!(lifted.limits.download_bytes_per_s, None);
        insta::assert_snapshot!(put(json!({"upload_bytes_per_s": 9})).await.refusal(), @r"
        422 invalid_request
        a limit of 9 bytes a second is too low: the least is 2097152
        correct it and send it again
        ");
    });
}
