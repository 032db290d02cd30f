//! How several transfers share one host.
//!
//! The fetches in flight are shared by **stride scheduling** (Waldspurger & Weihl, 1995): each
//! transfer has a *pass* that grows with every fetch by a stride, which is smaller the higher its
//! priority, and the transfer with the smallest pass asks next. So fetches come in proportion to
//! priorities, and no transfer starves. Work is conserved: whoever has nothing to ask is passed over.
//!
//! A fetch that never ends would hold its place for ever, so while several transfers want pieces
//! each also has at most its share of the places, rounded up.

use crate::transfer::Transfer;

/// The stride of a transfer with priority 1; divisible by every small priority.
const STRIDE: u64 = 5040;

/// A transfer's claim on the fetches of its host.
#[derive(Debug)]
pub(crate) struct Claim {
    /// At least 1.
    weight: u8,
    pass: u64,
    /// Whether it had nothing to ask, or nobody to ask it of, when it was last its turn.
    idle: bool,
    /// Whether that was in this round.
    passed_over: bool,
}

impl Default for Claim {
    fn default() -> Self {
        Self {
            weight: 1,
            pass: 0,
            idle: true,
            passed_over: false,
        }
    }
}

impl Claim {
    pub fn set_priority(&mut self, priority: u8) {
        self.weight = priority.max(1);
    }

    /// Everybody may be asked again.
    pub fn begin_round(&mut self) {
        self.passed_over = false;
    }

    pub fn pass_over(&mut self) {
        (self.idle, self.passed_over) = (true, true);
    }

    /// It asked for a piece. Who was idle has no claim to make up for it: it joins `others`.
    pub fn advance(&mut self, others: u64) {
        if std::mem::take(&mut self.idle) {
            self.pass = self.pass.max(others);
        }
        self.pass += (STRIDE / u64::from(self.weight)).max(1);
    }
}

/// Which of the transfers may ask for the next piece, if any may, and the smallest pass of the others.
pub(crate) fn next(transfers: &[Transfer], fetches_max: usize, bytes_max: u64) -> Option<(usize, u64)> {
    let wanting = || transfers.iter().enumerate().filter(|(_, it)| it.wants_pieces());
    let in_flight: usize = wanting().map(|(_, it)| it.requests.len()).sum();
    if in_flight >= fetches_max {
        return None;
    }
    let bytes: u64 = wanting().map(|(_, it)| it.bytes_in_flight()).sum();
    let has_room = |it: &Transfer| in_flight == 0 || bytes.saturating_add(it.piece_bytes) <= bytes_max;
    let active = || wanting().filter(|(_, it)| !it.claim.passed_over || !it.requests.is_empty());
    let weights: usize = active().map(|(_, it)| usize::from(it.claim.weight)).sum();
    let may_ask = |(_, it): &(usize, &Transfer)| {
        let share = (fetches_max * usize::from(it.claim.weight)).div_ceil(weights);
        !it.claim.passed_over && it.requests.len() < share && has_room(it)
    };
    let (next, _) = active().filter(may_ask).min_by_key(|(_, it)| it.claim.pass)?;
    let others = active().filter(|(index, it)| *index != next && !it.claim.idle);
    Some((next, others.map(|(_, it)| it.claim.pass).min().unwrap_or(0)))
}
