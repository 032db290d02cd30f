//! What an event does to the hosts that it concerns.

use super::World;
use crate::event::Event;
use crate::invariants::Violation;
use swarm_core::{Input, Miss, Ticket};

impl World<'_> {
    pub(super) fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Start(host) => self.start(host)?,
            Event::Meet { a, b } => self.meet(a, b)?,
            Event::Part { host, peer } => self.part(host, peer)?,
            Event::Served { host, fetch } => {
                let ticket = Ticket(fetch.number());
                self.tell(host, Input::Served { ticket })?;
            }
            Event::Letter(letter) => self.letter_arrives(letter)?,
            Event::Announced { notice, across } => self.notice_arrives(notice, across)?,
            Event::Request(fetch) => self.request(fetch)?,
            Event::Cancel(fetch) => self.cancel(fetch)?,
            Event::Refused(fetch) => self.miss(fetch, Miss::Refused)?,
            Event::Sent(fetch) => self.end_serving(fetch)?,
            Event::Delivered(fetch) => self.deliver(fetch)?,
            Event::Silent(fetch) => {
                self.end_serving(fetch)?;
                self.miss(fetch, Miss::TimedOut)?;
            }
            Event::Wake { host, life } => self.wake(host, life)?,
            Event::Die(host) => self.die(host),
            Event::CutOff(zone) => self.cut_off(zone),
            Event::Return(zone) => self.reunite(zone),
            Event::StoreFails => self.store_fails = true,
            Event::StoreReturns => self.store_fails = false,
            Event::ClockJumps { host, to_s } => {
                self.read_inbox(host)?;
                self.hosts[host as usize].clock_off_s = to_s;
                // A driver's timer follows the new time.
                self.hosts[host as usize].wake_at = None;
                self.tell(host, Input::Timeout)?;
            }
            Event::StoreOffered { host, hand } => self.offer_store(host, hand)?,
        }
        Ok(())
    }

    fn wake(&mut self, id: u32, life: u32) -> Result<(), Violation> {
        let host = &mut self.hosts[id as usize];
        if host.life != life || host.wake_at != Some(self.now) {
            return Ok(());
        }
        host.wake_at = None;
        self.tell(id, Input::Timeout)
    }
}
