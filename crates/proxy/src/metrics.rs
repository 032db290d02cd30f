//! The numbers that a proxy shows, by name. Those of a service carry its name as the label `service`.

use proxy_control::ServiceStatus;

/// Requests that were sent to a target. A counter.
const REQUESTS: &str = "starling_proxy_requests_total";
/// Requests that the proxy itself answered with an error. A counter.
const FAILURES: &str = "starling_proxy_failures_total";
/// How often another target became the active one. A counter.
const SWAPS: &str = "starling_proxy_swaps_total";
/// Requests that were held by a pause. A counter.
const HELD: &str = "starling_proxy_held_total";
/// Requests that a pause holds now. A gauge.
const HELD_NOW: &str = "starling_proxy_held";
/// Requests and upgraded connections at all targets. A gauge.
const IN_FLIGHT: &str = "starling_proxy_in_flight";
/// Seconds from the arrival of a request's head until its target was sent to, of one request in sixteen.
pub(crate) const ADDED_SECONDS: &str = "starling_proxy_added_seconds";

/// Says what each number means, for whoever exports them.
pub(crate) fn describe() {
    ::metrics::describe_counter!(REQUESTS, "Requests that were sent to a target");
    ::metrics::describe_counter!(FAILURES, "Requests that the proxy itself answered with an error");
    ::metrics::describe_counter!(SWAPS, "How often another target became the active one");
    ::metrics::describe_counter!(HELD, "Requests that were held by a pause");
    ::metrics::describe_gauge!(HELD_NOW, "Requests that a pause holds now");
    ::metrics::describe_gauge!(IN_FLIGHT, "Requests and upgraded connections at all targets");
    ::metrics::describe_histogram!(
        ADDED_SECONDS,
        "Seconds from the arrival of a request's head until its target was sent to"
    );
}

/// Publishes what the routes have counted.
pub(crate) fn publish(services: &[ServiceStatus]) {
    for status in services {
        let service = status.point.service.to_string();
        let counters = [
            (REQUESTS, status.requests),
            (FAILURES, status.failures),
            (SWAPS, status.swaps),
            (HELD, status.held),
        ];
        for (name, value) in counters {
            ::metrics::counter!(name, "service" => service.clone()).absolute(value);
        }
        let in_flight: u64 = status.targets.iter().map(|of| of.in_flight + of.tunnels).sum();
        ::metrics::gauge!(HELD_NOW, "service" => service.clone()).set(status.held_now as f64);
        ::metrics::gauge!(IN_FLIGHT, "service" => service).set(in_flight as f64);
    }
}
