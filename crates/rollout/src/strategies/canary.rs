//! One host, then a tenth of the fleet, then the rest: a mistake that shows at once costs one host, one that shows under
//! load a tenth (the one-box and its waves, as in Clare Liguori, "Automating safe, hands-off deployments", 2020).

use model::Share;
use model::rollout::Wave;

pub(super) fn waves() -> Vec<Wave> {
    let wave = |name: &str, hosts| Wave {
        hosts,
        ..Wave::everybody(name)
    };
    vec![
        wave("canary", Share::Count(1)),
        wave("10%", Share::percent(10)),
        wave("the rest", Share::ALL),
    ]
}
