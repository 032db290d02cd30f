//! What hosts and managers say to each other.

use super::values::{self, valid};
use model::control::RegionControls;
use model::host::{HostOrders, HostReport, HostRequest, HostResponse, Neighbour, StoreOffer};
use model::instance::Transfer;
use model::task_log::{LogAnswer, LogPart, LogQuestion, LogStart, ManagerRequest, ManagerResponse};
use model::{ArtifactId, Epoch, Instance, ReleaseNumber, TaskState};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use swarm_core::{PIECES_MAX, PieceSet};

/// Whatever is read comes out again as the same value. Numbers may be written longer than they need, so the bytes may
/// differ.
fn comes_out_again<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let value = postcard::from_bytes::<T>(bytes).ok()?;
    let again = postcard::to_stdvec(&value).map(|bytes| postcard::from_bytes::<T>(&bytes));
    assert_eq!(again, Ok(Ok(value)));
    postcard::from_bytes(bytes).ok()
}

fn encoded<T: Serialize>(values: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    values
        .into_iter()
        .flat_map(|value| postcard::to_stdvec(&value))
        .collect()
}

/// A set has at most so many pieces, and counts those that it holds.
pub(super) fn piece_set(bytes: &[u8]) {
    let Some(set) = comes_out_again::<PieceSet>(bytes) else {
        return;
    };
    assert!(set.pieces() <= PIECES_MAX && set.iter().all(|piece| piece < set.pieces()));
    assert_eq!(set.iter().count() as u32, set.held());
    assert_eq!(set.missing().count() as u32, set.pieces() - set.held());
}

pub(super) fn piece_set_examples() -> Vec<Vec<u8>> {
    let mut some = PieceSet::empty(130);
    some.insert(0);
    some.insert(129);
    encoded([PieceSet::empty(0), some, PieceSet::full(64)])
}

pub(super) fn request(bytes: &[u8]) {
    comes_out_again::<HostRequest>(bytes);
}

pub(super) fn request_examples() -> Vec<Vec<u8>> {
    let report = HostReport {
        host: valid("host-1"),
        zone: valid("us-east-1a"),
        labels: serde_json::from_str(r#"{"role":"canary"}"#).expect("these are labels"),
        addresses: vec!["/ip4/10.0.0.1/tcp/4001".to_owned()],
        instances: vec![Instance {
            service: valid("beacon"),
            epoch: Epoch(7),
            desired_release: ReleaseNumber(3),
            running_release: Some(ReleaseNumber(2)),
            active_release: Some(ReleaseNumber(2)),
            warm_release: None,
            health: model::instance::InstanceHealth::Healthy,
            observations: 5,
            state: TaskState::Fetching,
            port: Some(20_000),
            transfer: Transfer::default(),
            reason: Some("the disk is full".to_owned()),
        }],
        complete: vec![ArtifactId([7; 32])],
        arrivals: Vec::new(),
        trouble: Some("the disk is full".to_owned()),
    };
    encoded([
        HostRequest::Report(report),
        HostRequest::Manifest(ArtifactId([7; 32])),
    ])
}

pub(super) fn response(bytes: &[u8]) {
    comes_out_again::<HostResponse>(bytes);
}

pub(super) fn response_examples() -> Vec<Vec<u8>> {
    let orders = HostOrders {
        term: 5,
        services: vec![values::desired_service()],
        controls: RegionControls::default(),
        store: vec![StoreOffer {
            artifact: ArtifactId([7; 32]),
            address: "http://10.0.0.3/bucket/key?signature=1".to_owned().into(),
            valid_for_seconds: 3600,
            slots: 5,
        }],
        revoked: Vec::new(),
        neighbours: vec![Neighbour {
            host: valid("host-2"),
            peer: "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp".to_owned(),
            addresses: vec!["/ip4/10.0.0.2/tcp/4001".to_owned()],
        }],
    };
    encoded([
        HostResponse::Orders(orders),
        HostResponse::Manifest(vec![7; 40]),
        HostResponse::StandingBy,
        HostResponse::Refused("too many hosts".to_owned()),
    ])
}

pub(super) fn manager_request(bytes: &[u8]) {
    comes_out_again::<ManagerRequest>(bytes);
}

pub(super) fn manager_request_examples() -> Vec<Vec<u8>> {
    let question = |release, start| {
        ManagerRequest::Log(LogQuestion {
            service: valid("beacon"),
            release,
            start,
            wait_ms: 5_000,
        })
    };
    encoded([
        question(None, LogStart::Tail(200)),
        question(Some(ReleaseNumber(3)), LogStart::At(1 << 40)),
    ])
}

pub(super) fn manager_response(bytes: &[u8]) {
    comes_out_again::<ManagerResponse>(bytes);
}

pub(super) fn manager_response_examples() -> Vec<Vec<u8>> {
    let part = LogPart {
        release: ReleaseNumber(3),
        newest: ReleaseNumber(4),
        gone_bytes: 7,
        text: "a line\n".to_owned(),
        next: 14,
        end: 20,
    };
    encoded([
        ManagerResponse::Log(LogAnswer::Part(part)),
        ManagerResponse::Log(LogAnswer::Refused("it is not kept".to_owned())),
    ])
}
