//! Green beside blue on every host, and then everybody at the same time: no client meets two releases for longer than
//! orders travel, and a green that is bad on its own is never met by any.

use model::Share;
use model::rollout::Wave;

pub(super) fn waves() -> Vec<Wave> {
    vec![
        Wave {
            warm: true,
            // Time tells little of what gets no requests; good answers to its health check tell something.
            bake_seconds: Some(0),
            ..Wave::everybody("green beside blue")
        },
        Wave {
            batch_size: Some(Share::ALL),
            ..Wave::everybody("the switch")
        },
    ]
}
