//! Everybody at the same time.

use model::Share;
use model::rollout::Wave;

pub(super) fn waves() -> Vec<Wave> {
    vec![Wave {
        batch_size: Some(Share::ALL),
        ..Wave::everybody("all at once")
    }]
}
