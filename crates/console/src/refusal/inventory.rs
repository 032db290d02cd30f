//! How a program hears that it is not let into the inventory, or not heard.

use crate::inventory::HeartbeatRefused;
use axum::http::StatusCode;
use database::builds::RegistrationRefused;
use model::node::JoinTokenState;

pub(super) const fn code(refused: &RegistrationRefused) -> (&'static str, StatusCode) {
    match refused {
        RegistrationRefused::UnknownToken => ("join_token_unknown", StatusCode::FORBIDDEN),
        RegistrationRefused::Ended { state, .. } => match state {
            JoinTokenState::Used | JoinTokenState::Open => ("join_token_used", StatusCode::FORBIDDEN),
            JoinTokenState::Expired => ("join_token_expired", StatusCode::FORBIDDEN),
            JoinTokenState::Withdrawn => ("join_token_withdrawn", StatusCode::FORBIDDEN),
        },
        RegistrationRefused::OtherDoor { .. } => ("join_token_for_another", StatusCode::FORBIDDEN),
        RegistrationRefused::NameTaken(_) => ("instance_name_taken", StatusCode::CONFLICT),
    }
}

pub(super) fn next(refused: &RegistrationRefused) -> String {
    match refused {
        RegistrationRefused::UnknownToken => {
            "send the whole token, or make one with `starling join-token create --role instance`".to_owned()
        }
        RegistrationRefused::Ended { .. } => {
            "make a new one with `starling join-token create --role instance`; each lets one in, once"
                .to_owned()
        }
        RegistrationRefused::OtherDoor { .. } => {
            "make a token for it with `starling join-token create --role instance`".to_owned()
        }
        RegistrationRefused::NameTaken(name) => format!(
            "take another name, or hand this one over with `starling join-token create --role instance --name {name}`"
        ),
    }
}

pub(super) const fn heartbeat(refused: &HeartbeatRefused) -> ((&'static str, StatusCode), &'static str) {
    match refused {
        HeartbeatRefused::Stranger => (
            ("instance_unauthenticated", StatusCode::UNAUTHORIZED),
            "send `Authorization: Bearer SECRET` with the secret of the registration, or register again",
        ),
        HeartbeatRefused::Retired => (
            ("instance_retired", StatusCode::GONE),
            "stop, or register again with another join token",
        ),
        HeartbeatRefused::Late { .. } => (
            ("heartbeat_late", StatusCode::CONFLICT),
            "nothing is lost; a program that began anew counts on from the number that was heard last",
        ),
    }
}
