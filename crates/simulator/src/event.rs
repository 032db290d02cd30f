//! What happens.

use crate::slab::Id;

/// Names one fetch, and at its source the ticket.
pub type FetchId = Id;

/// One thing that happens at a moment. Small, since millions of them wait.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A host's program starts: at the beginning, late, or after a death.
    Start(u32),
    /// Two hosts become neighbours.
    Meet { a: u32, b: u32 },
    /// `host` learns that the connection to `peer` is gone.
    Part { host: u32, peer: u32 },
    /// The driver of `host` tells its node that an upload ended.
    Served { host: u32, fetch: FetchId },
    /// A message for one neighbour arrives.
    Letter(Id),
    /// What a host told several neighbours arrives at those of them that are this far away.
    Announced {
        /// Which of the announcements that are on their way.
        notice: Id,
        /// Whether at those in other zones.
        across: bool,
    },
    /// A request arrives at its source.
    Request(FetchId),
    /// The word that a request was given up arrives at its source.
    Cancel(FetchId),
    /// A source's no arrives.
    Refused(FetchId),
    /// The last byte of a piece has left its source.
    Sent(FetchId),
    /// The last byte of a piece arrives.
    Delivered(FetchId),
    /// No byte came for too long.
    Silent(FetchId),
    /// The moment that a node asked to be woken at.
    Wake { host: u32, life: u32 },
    /// A host dies.
    Die(u32),
    /// A zone is cut off.
    CutOff(u32),
    /// A zone is back.
    Return(u32),
    /// The store stops answering.
    StoreFails,
    /// The store answers again.
    StoreReturns,
    /// A host's clock jumps by so many seconds, against the true time.
    ClockJumps { host: u32, to_s: i32 },
    /// A host's manager tells it of the store and its share; a second manager deals another hand.
    StoreOffered { host: u32, hand: u8 },
}

impl Event {
    /// What of this event counts for the trace.
    pub fn words(&self) -> [u64; 3] {
        let pair = |kind, a: u32, b: u32| [kind, u64::from(a), u64::from(b)];
        match *self {
            Self::Meet { a, b } => pair(1, a, b),
            Self::Part { host, peer } => pair(2, host, peer),
            Self::Served { host, fetch } => [3, u64::from(host), fetch.number()],
            Self::Letter(letter) => [4, letter.number(), 0],
            Self::Request(fetch) => [5, fetch.number(), 0],
            Self::Cancel(fetch) => [6, fetch.number(), 0],
            Self::Refused(fetch) => [7, fetch.number(), 0],
            Self::Delivered(fetch) => [8, fetch.number(), 0],
            Self::Silent(fetch) => [9, fetch.number(), 0],
            Self::Wake { host, life } => pair(10, host, life),
            Self::Die(host) => pair(11, host, 0),
            Self::Start(host) => pair(12, host, 0),
            Self::Announced { notice, across } => [13, notice.number(), u64::from(across)],
            Self::CutOff(zone) => pair(14, zone, 0),
            Self::Return(zone) => pair(15, zone, 0),
            Self::StoreFails => pair(16, 0, 0),
            Self::StoreReturns => pair(17, 0, 0),
            Self::ClockJumps { host, to_s } => [18, u64::from(host), u64::from(to_s.unsigned_abs())],
            Self::Sent(fetch) => [20, fetch.number(), 0],
            Self::StoreOffered { host, hand } => pair(19, host, u32::from(hand)),
        }
    }
}
