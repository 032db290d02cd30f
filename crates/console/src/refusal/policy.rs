//! How somebody hears that a policy forbids it.

use axum::http::StatusCode;
use database::builds::PolicyRefused;
use policy::Denial;

pub(super) const fn denied(denial: &Denial) -> ((&'static str, StatusCode), &'static str) {
    match denial {
        Denial::Frozen { .. } => (
            ("deploy_frozen", StatusCode::CONFLICT),
            "wait, end the freeze with `starling policy end`, or say with `break_glass` why it can't wait",
        ),
        Denial::NotGranted { .. } => (
            ("deploy_not_granted", StatusCode::FORBIDDEN),
            "ask somebody who may, or to be granted it; `starling policy list` says who may what",
        ),
        Denial::NotApproved { .. } => (
            ("deploy_not_approved", StatusCode::CONFLICT),
            "ask others to run `starling policy approve SERVICE BUILD`",
        ),
        Denial::Reason(_) => (
            ("invalid_request", StatusCode::UNPROCESSABLE_ENTITY),
            "say why it can't wait",
        ),
    }
}

pub(super) const fn refused(refused: &PolicyRefused) -> ((&'static str, StatusCode), &'static str) {
    match refused {
        PolicyRefused::Invalid(_) => (
            ("invalid_policy", StatusCode::UNPROCESSABLE_ENTITY),
            "correct it and send it again",
        ),
        PolicyRefused::NotGranted(_) => (
            ("policy_not_granted", StatusCode::FORBIDDEN),
            "ask somebody who may; `starling policy list` says who",
        ),
        PolicyRefused::LocksOut => (
            ("policy_locks_out", StatusCode::CONFLICT),
            "grant it to yourself first",
        ),
        PolicyRefused::Unknown(_) => (
            ("unknown_policy", StatusCode::NOT_FOUND),
            "list policies with `starling policy list`",
        ),
    }
}
