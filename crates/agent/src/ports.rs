//! Which ports this host's tasks may listen on: leases that outlive tasks and agents. No I/O, no clock.
//!
//! Ports come in blocks of [`BLOCK_LENGTH`]. A service takes its ports from a block of its own as long as there are
//! enough blocks, and from the next ones when that is used up. New blocks are taken in turn, so that a port that was given
//! up is among the last to be given again.

use model::ServiceName;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// The first port that is ever leased, and the last.
pub const FIRST: u16 = 3_000;
/// See [`FIRST`].
pub const LAST: u16 = 65_499;
/// Ports in a block.
pub const BLOCK_LENGTH: u16 = 100;
/// How long a port that was given up is nobody's, in seconds: as long as the kernel remembers its last connections
/// (TIME_WAIT in Linux, a minute). Whoever still asks for its last owner then never reaches another service.
pub const COOL_DOWN_SECONDS: u64 = 60;

const BLOCKS: u16 = (LAST - FIRST + 1) / BLOCK_LENGTH;
/// How many strangers' ports one lease passes over, so that it never takes long.
const PROBES_MAX: u32 = 2_000;

/// Every lease of one host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ports {
    /// The block that the next service begins in.
    cursor: u16,
    /// Who has which port.
    leases: BTreeMap<u16, ServiceName>,
    /// Ports that were given up, and until when nobody gets them, in seconds since 1970.
    cooling: BTreeMap<u16, u64>,
}

/// What the machine and its operator say about ports.
pub(crate) struct Ground<'a> {
    /// Ports that the operator gives to tasks.
    pub(crate) allowed: RangeInclusive<u16>,
    /// Ports that the kernel gives to connections by itself. They are leased only where nothing else is allowed.
    pub(crate) ephemeral: RangeInclusive<u16>,
    /// Whether nobody listens on a port now.
    pub(crate) free: &'a dyn Fn(u16) -> bool,
    /// Seconds since 1970.
    pub(crate) now: u64,
}

/// There is no port to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no port from {first} to {last} is free: each is leased, in use by another program, in the kernel's \
     ip_local_port_range, or was given up less than {COOL_DOWN_SECONDS} s ago"
)]
pub struct NoPort {
    /// The first port that tasks may have.
    pub first: u16,
    /// The last one.
    pub last: u16,
}

impl Ground<'_> {
    fn offers(&self, port: u16) -> bool {
        let inside =
            |of: &RangeInclusive<u16>| of.contains(self.allowed.start()) && of.contains(self.allowed.end());
        self.allowed.contains(&port) && (!self.ephemeral.contains(&port) || inside(&self.ephemeral))
    }
}

impl Ports {
    /// A port for a service's next process, other than its `busy` ones. The service keeps it until [`Self::free`]; one
    /// of its ports that a stranger sits on is given up for another.
    ///
    /// # Errors
    /// If there is none. Ports that strangers sit on are given up all the same.
    pub(crate) fn lease(
        &mut self,
        service: &ServiceName,
        busy: &[u16],
        ground: &Ground<'_>,
    ) -> Result<u16, NoPort> {
        self.cool(ground.now);
        for port in self.of(service) {
            if busy.contains(&port) {
                continue;
            }
            if ground.offers(port) && (ground.free)(port) {
                return Ok(port);
            }
            self.give_up(port, ground.now);
        }
        let port = self.find(service, ground).ok_or(NoPort {
            first: FIRST.max(*ground.allowed.start()),
            last: LAST.min(*ground.allowed.end()),
        })?;
        let block = (port - FIRST) / BLOCK_LENGTH;
        if !self.blocks_of(service).contains(&block) {
            self.cursor = (block + 1) % BLOCKS;
        }
        self.leases.insert(port, service.clone());
        Ok(port)
    }

    /// Notes that a service's process has this port, whatever the rules say: it was given one before there were leases.
    pub fn hold(&mut self, service: &ServiceName, port: u16) {
        self.leases.insert(port, service.clone());
    }

    /// Gives up the ports of all services but those that `stay`.
    pub fn keep_only(&mut self, stay: impl Fn(&ServiceName) -> bool, now: u64) {
        let left: Vec<u16> = self
            .leases
            .iter()
            .filter(|(_, service)| !stay(service))
            .map(|(port, _)| *port)
            .collect();
        left.into_iter().for_each(|port| self.give_up(port, now));
    }

    /// A service's ports.
    pub fn of(&self, service: &ServiceName) -> Vec<u16> {
        let own = self.leases.iter().filter(|(_, owner)| *owner == service);
        own.map(|(port, _)| *port).collect()
    }

    fn blocks_of(&self, service: &ServiceName) -> BTreeSet<u16> {
        let ports = self.of(service).into_iter();
        ports
            .filter_map(|port| Some(port.checked_sub(FIRST)? / BLOCK_LENGTH))
            .collect()
    }

    fn give_up(&mut self, port: u16, now: u64) {
        self.leases.remove(&port);
        self.cooling.insert(port, now.saturating_add(COOL_DOWN_SECONDS));
    }

    /// Forgets what has cooled down. A time further away than any pause was noted by a clock that was wrong.
    fn cool(&mut self, now: u64) {
        self.cooling
            .retain(|_, until| *until > now && *until - now <= COOL_DOWN_SECONDS);
    }

    /// The service's own blocks first, then those from the cursor on that nobody has a port of, then any.
    fn find(&self, service: &ServiceName, ground: &Ground<'_>) -> Option<u16> {
        let own = self.blocks_of(service);
        let taken: BTreeSet<u16> = self
            .leases
            .keys()
            .filter_map(|port| Some(port.checked_sub(FIRST)? / BLOCK_LENGTH))
            .collect();
        let in_turn = || (0..BLOCKS).map(|step| (self.cursor % BLOCKS + step) % BLOCKS);
        let untouched = in_turn().filter(|block| !taken.contains(block));
        let shared = in_turn().filter(|block| taken.contains(block) && !own.contains(block));
        let mut probes = 0;
        own.iter()
            .copied()
            .chain(untouched)
            .chain(shared)
            .flat_map(|block| (0..BLOCK_LENGTH).map(move |offset| FIRST + block * BLOCK_LENGTH + offset))
            .filter(|port| {
                ground.offers(*port) && !self.leases.contains_key(port) && !self.cooling.contains_key(port)
            })
            .take_while(|_| {
                probes += 1;
                probes <= PROBES_MAX
            })
            .find(|port| (ground.free)(*port))
    }
}

#[cfg(test)]
mod tests;
