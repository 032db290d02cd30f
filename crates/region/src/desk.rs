//! Answering hosts. Never waits: everything that an answer takes is in memory, or the host asks again.

use crate::leading::Leading;
use model::ArtifactId;
use model::host::{HostOrders, HostReport, HostRequest, HostResponse, SERVICES_MAX};
use model::instance::REASON_LENGTH_MAX;
use swarm::{IncomingCall, PeerId, Role, Statement};
use tokio::time::Instant;
use tracing::{debug, warn};

/// The most addresses of a host, and the longest, in bytes.
const ADDRESSES_MAX: usize = 4;
const ADDRESS_LENGTH_MAX: usize = 256;

/// Answers a call as the leader.
pub(crate) fn answer_leading(leading: &Leading, call: IncomingCall) {
    let caller = call.certificate.statement();
    let response = match postcard::from_bytes(&call.request) {
        Ok(request) => answer(leading, caller, call.peer(), request),
        Err(error) => HostResponse::Refused(format!("the request cannot be read: {error}")),
    };
    if let HostResponse::Refused(reason) = &response {
        debug!(host.name = %caller.name, refusal.reason = reason, "refused a host's request");
    }
    send(call, &response);
}

/// Answers a call while another manager leads.
pub(crate) fn answer_standing_by(call: IncomingCall) {
    send(call, &HostResponse::StandingBy);
}

fn send(call: IncomingCall, response: &HostResponse) {
    let sent = match postcard::to_stdvec(response) {
        Ok(bytes) => call.answer(bytes).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(reason) = sent {
        warn!(answer.reason = reason, "an answer could not be sent");
    }
}

fn answer(leading: &Leading, caller: &Statement, peer: PeerId, request: HostRequest) -> HostResponse {
    match request {
        HostRequest::Report(report) => match check(caller, &report) {
            Ok(()) => orders(leading, peer, report),
            Err(reason) => HostResponse::Refused(reason.to_owned()),
        },
        HostRequest::Manifest(artifact) => manifest(leading, artifact),
    }
}

/// What the types of a report alone do not promise.
fn check(caller: &Statement, report: &HostReport) -> Result<(), &'static str> {
    if caller.role != Role::Host || caller.name != report.host {
        return Err("a host reports for itself alone");
    }
    if report.instances.len() > SERVICES_MAX || report.complete.len() > SERVICES_MAX {
        return Err("too many services or artifacts");
    }
    let addresses_fit = report.addresses.len() <= ADDRESSES_MAX
        && report.addresses.iter().all(|address| address.len() <= ADDRESS_LENGTH_MAX);
    if !addresses_fit {
        return Err("too many or too long addresses");
    }
    let mut reasons = report.instances.iter().filter_map(|instance| instance.reason.as_ref());
    if reasons.any(|reason| reason.len() > REASON_LENGTH_MAX) {
        return Err("a reason is too long");
    }
    Ok(())
}

fn orders(leading: &Leading, peer: PeerId, report: HostReport) -> HostResponse {
    let Some(services) = leading.desired.borrow().clone() else {
        // No orders are better than none that are known: a host without services would stop what it runs.
        return HostResponse::Refused("the manager does not know yet what the region should run".to_owned());
    };
    let host = report.host.clone();
    let mut roster = leading.roster();
    if let Err(full) = roster.hear(peer, report, Instant::now()) {
        return HostResponse::Refused(full.to_string());
    }
    let mut neighbours = roster.neighbours(&host);
    neighbours.push(leading.myself.clone());
    HostResponse::Orders(HostOrders {
        term: leading.term,
        services: services.to_vec(),
        neighbours,
    })
}

fn manifest(leading: &Leading, artifact: ArtifactId) -> HostResponse {
    match leading.manifests().get(&artifact) {
        Some(bytes) => HostResponse::Manifest(bytes.to_vec()),
        None => HostResponse::Refused(format!("the manager does not seed {} yet", artifact.short())),
    }
}

#[cfg(test)]
mod tests;
