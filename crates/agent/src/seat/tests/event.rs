//! What may happen to a host.

use model::deployment::Directive;
use proptest::prelude::*;

#[derive(Debug, Clone)]
pub enum Event {
    Order {
        epoch: i64,
        release: i64,
        directive: Directive,
        overlap: bool,
    },
    Withdraw,
    /// The bytes that are wanted are here.
    Fetched,
    /// The bytes that are wanted turn out to be not to be had.
    Unobtainable,
    /// A process ends by itself.
    Crash(usize),
    /// The processes that were asked to end have ended.
    Stopped,
    Healthy(usize),
    Failing(usize),
    /// The agent is killed and begins anew with what it wrote down; the processes go on.
    Restart,
    /// The agent will be killed between starting a process and knowing it.
    DieAtStart,
    /// The frontend does what it was asked, or answers what it was asked.
    Front {
        in_flight: u64,
    },
    /// What gets a share has answered a hundred requests, so many of them with an error.
    Answered {
        errors: u64,
    },
    /// Time passes.
    Wait {
        seconds: u64,
    },
    /// What is not kept is deleted.
    Collect,
}

pub fn directive() -> impl Strategy<Value = Directive> {
    prop::sample::select(Directive::ALL)
}

pub fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..12_i64, directive(), prop::bool::weighted(0.8)).prop_map(|(epoch, directive, overlap)| {
            Event::Order { epoch, release: epoch / 2, directive, overlap }
        }),
        1 => Just(Event::Withdraw),
        4 => Just(Event::Fetched),
        1 => Just(Event::Unobtainable),
        2 => (0..2_usize).prop_map(Event::Crash),
        3 => Just(Event::Stopped),
        4 => (0..2_usize).prop_map(Event::Healthy),
        2 => (0..2_usize).prop_map(Event::Failing),
        2 => Just(Event::Restart),
        1 => Just(Event::DieAtStart),
        4 => (0..3_u64).prop_map(|in_flight| Event::Front { in_flight }),
        1 => (0..10_u64).prop_map(|errors| Event::Answered { errors }),
        2 => (0..400_u64).prop_map(|seconds| Event::Wait { seconds }),
        2 => Just(Event::Collect),
    ]
}
