//! How the last pieces come in.
//!
//! Once every missing piece is in flight, a neighbour that has time can only help with a piece that
//! somebody else was asked for already. Without that, the host's end hangs on its slowest source
//! (Cohen, "Incentives build robustness in BitTorrent", 2003: "endgame mode"). BitTorrent then asks
//! everybody for everything, which at scale is a storm; here it is bounded three ways:
//!
//! - only a piece that has been in flight for longer than the **median**, so the usual piece, which
//!   is about to arrive, is never asked for twice;
//! - at most **two** copies of a piece ([`COPIES_MAX`]);
//! - at most [`DUPLICATES_MAX`] pieces twice at a time.
//!
//! The copy that arrives first ends the other with `Abandon`.

use crate::picker::Picker;
use crate::requests::{COPIES_MAX, Requests};
use crate::{Peer, Piece, Time};

/// Of 1,200 pieces this is a third of a percent: the most that one end game can waste at once.
const DUPLICATES_MAX: usize = 4;

/// The piece in flight that the neighbour `peer` at `place` should be asked for too: the one that is waited
/// for longest.
pub(crate) fn choose(
    requests: &Requests,
    picker: &Picker,
    (place, peer): (usize, Peer),
    now: Time,
) -> Option<Piece> {
    let duplicates = requests
        .iter()
        .filter(|request| requests.of(request.piece).count() > 1)
        .count()
        / 2;
    if duplicates >= DUPLICATES_MAX {
        return None;
    }
    let second_copy_helps = requests.iter().filter(|request| {
        now.since(request.asked_at) >= requests.median()
            && picker.holds(place, request.piece)
            && requests.of(request.piece).count() < COPIES_MAX
            && request.peer != peer
    });
    second_copy_helps
        .min_by_key(|request| request.asked_at)
        .map(|request| request.piece)
}

/// When a piece in flight next becomes one that may be asked for twice.
pub(crate) fn next_choice(requests: &Requests, now: Time) -> Option<Time> {
    let times = requests
        .iter()
        .map(|request| request.asked_at.after(requests.median()));
    times.filter(|&time| time > now).min()
}
