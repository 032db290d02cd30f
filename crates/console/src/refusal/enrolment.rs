//! How a node hears that it is not let in.

use axum::http::StatusCode;
use database::builds::EnrolmentRefused;
use model::RegionName;
use model::node::JoinTokenState;
use swarm::Unproven;

pub(super) const fn code(refused: &EnrolmentRefused) -> (&'static str, StatusCode) {
    match refused {
        EnrolmentRefused::UnknownToken => ("join_token_unknown", StatusCode::FORBIDDEN),
        EnrolmentRefused::Ended { state, .. } => match state {
            JoinTokenState::Used => ("join_token_used", StatusCode::FORBIDDEN),
            JoinTokenState::Expired => ("join_token_expired", StatusCode::FORBIDDEN),
            JoinTokenState::Withdrawn => ("join_token_withdrawn", StatusCode::FORBIDDEN),
            // It ended between two looks; asking again tells.
            JoinTokenState::Open => ("join_token_busy", StatusCode::SERVICE_UNAVAILABLE),
        },
        EnrolmentRefused::OtherNode { .. } => ("join_token_for_another_node", StatusCode::FORBIDDEN),
        EnrolmentRefused::NameTaken { .. } => ("node_name_taken", StatusCode::CONFLICT),
        EnrolmentRefused::KeyTaken { .. } => ("node_key_taken", StatusCode::CONFLICT),
        EnrolmentRefused::Revoked { .. } => ("node_revoked", StatusCode::FORBIDDEN),
        EnrolmentRefused::UnknownNode(_) => ("node_unknown", StatusCode::FORBIDDEN),
        EnrolmentRefused::Expired(_) => ("certificate_expired", StatusCode::FORBIDDEN),
    }
}

pub(super) fn next(refused: &EnrolmentRefused) -> String {
    match refused {
        EnrolmentRefused::UnknownToken => {
            "check that the whole token is in the file, or make a new one with `starling join-token create`"
                .to_owned()
        }
        EnrolmentRefused::Ended { .. } => {
            "make a new one with `starling join-token create`; each lets one node in, once".to_owned()
        }
        EnrolmentRefused::OtherNode { .. } => {
            "correct the node's settings, or make a token for it with `starling join-token create`".to_owned()
        }
        EnrolmentRefused::NameTaken { region, name } => format!(
            "give the node another name, or hand this one over with `starling join-token create --region \
             {region} --name {name}`, which revokes the former key"
        ),
        EnrolmentRefused::KeyTaken { name, .. } => format!(
            "name the node {name} again, or delete its identity file so that it gets a key of its own"
        ),
        EnrolmentRefused::Revoked { .. } => {
            "delete the node's identity file, so that it gets another key, and make a join token for it"
                .to_owned()
        }
        EnrolmentRefused::UnknownNode(_) | EnrolmentRefused::Expired(_) => {
            "enrol the node anew: make a token with `starling join-token create`".to_owned()
        }
    }
}

pub(super) const fn unproven(unproven: &Unproven) -> ((&'static str, StatusCode), &'static str) {
    match unproven {
        Unproven::Signature => (
            ("key_not_proven", StatusCode::FORBIDDEN),
            "use a node of the same version as the API, and its own identity file",
        ),
        Unproven::Clock { .. } => (
            ("clock_off", StatusCode::FORBIDDEN),
            "set the node's clock, by NTP for example; it asks again by itself",
        ),
    }
}

/// What to do about a region that this server signs nothing for.
pub(super) fn no_authority(region: &RegionName) -> String {
    format!("correct the name, or add an [[authorities]] table for {region} to the API's settings")
}
