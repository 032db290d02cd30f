//! The names of what this crate counts.

use crate::security::Plane;
use metrics::{counter, describe_counter};

/// Verified bytes that came to this node. Label `source`: `seed`, `peer` or `store`.
pub(crate) const RECEIVED_BYTES: &str = "starling_swarm_received_bytes_total";
/// Bytes that came and were thrown away.
pub(crate) const WASTED_BYTES: &str = "starling_swarm_wasted_bytes_total";
/// Bytes that were sent to peers.
pub(crate) const SERVED_BYTES: &str = "starling_swarm_served_bytes_total";
/// Pieces whose hash was wrong.
pub(crate) const PIECES_REJECTED: &str = "starling_swarm_pieces_rejected_total";
/// Pieces that were to be sent and could not be read.
pub(crate) const PIECES_UNREADABLE: &str = "starling_swarm_pieces_unreadable_total";
/// Peers that broke the rules.
pub(crate) const PEERS_BANNED: &str = "starling_swarm_peers_banned_total";
/// Frames that no honest peer sends.
pub(crate) const OFFENCES: &str = "starling_swarm_offences_total";
/// Connections that were closed because the peer showed no valid certificate.
pub(crate) const STRANGERS_REFUSED: &str = "starling_swarm_strangers_refused_total";

/// Bytes on the wire, framing included; on the control plane encryption too, which on the bulk plane adds
/// a seventh of a percent. Labels `plane`: `control` or `bulk`, and
/// `direction`: `in` or `out`.
pub(crate) const WIRE_BYTES: &str = "starling_swarm_wire_bytes_total";

/// Which way bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From a peer.
    In,
    /// To a peer.
    Out,
}

/// Tells the recorder what the names mean. Said again, it changes nothing.
pub(crate) fn describe() {
    describe_counter!(RECEIVED_BYTES, "verified bytes that came to this node, by source");
    describe_counter!(WASTED_BYTES, "bytes that came and were thrown away");
    describe_counter!(SERVED_BYTES, "bytes that were sent to peers");
    describe_counter!(PIECES_REJECTED, "pieces whose hash was wrong");
    describe_counter!(
        PIECES_UNREADABLE,
        "pieces that were to be sent and could not be read"
    );
    describe_counter!(PEERS_BANNED, "peers that broke the rules");
    describe_counter!(OFFENCES, "frames that no honest peer sends");
    describe_counter!(
        STRANGERS_REFUSED,
        "connections closed for want of a valid certificate"
    );
    describe_counter!(WIRE_BYTES, "bytes on the wire, by plane and direction");
}

/// Adds to one of the counters above that has no label.
pub(crate) fn count(name: &'static str, by: u64) {
    counter!(name).increment(by);
}

/// Adds to [`RECEIVED_BYTES`].
pub(crate) fn count_received(source: &'static str, bytes: u64) {
    counter!(RECEIVED_BYTES, "source" => source).increment(bytes);
}

/// Adds to [`WIRE_BYTES`].
pub(crate) fn count_wire(plane: Plane, direction: Direction, bytes: u64) {
    let plane = match plane {
        Plane::Control => "control",
        Plane::Bulk => "bulk",
    };
    let direction = match direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    counter!(WIRE_BYTES, "plane" => plane, "direction" => direction).increment(bytes);
}
