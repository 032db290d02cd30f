//! A window that slides over the whole fleet.

use model::rollout::Wave;

pub(super) fn waves() -> Vec<Wave> {
    vec![Wave::everybody("rolling")]
}
