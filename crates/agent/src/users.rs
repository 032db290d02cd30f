//! Which user each service's tasks run as, where they run as users of their own: leases that outlive tasks and agents. No
//! I/O.
//!
//! A service keeps its user for as long as it is remembered, since its files are that user's. Users are given in turn, so
//! that one that was given up, and may still own something, is among the last to be given again.

use crate::host::SEATS_MAX;
use model::ServiceName;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// The first of the users that tasks run as unless the operator names others: of the numbers that nothing else on Linux
/// gives away (<https://systemd.io/UIDS-GIDS/>, 1879048192 to 2147483647).
pub const FIRST: u32 = 1_900_000_000;
/// How many they are: several times those that can be in use, so that none is soon given again.
pub const COUNT: u32 = 3_000;

/// Why users can't be given to tasks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUsers {
    /// Not enough of them.
    #[error("there are fewer than {SEATS_MAX} users for tasks, one for each service that is remembered")]
    TooFew,
    /// They belong to somebody else.
    #[error("users for tasks can't be root, nor 65534, 65535 or 4294967295, which stand for nobody")]
    Reserved,
}

/// There is no user to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("each user that tasks may run as belongs to another service")]
pub struct NoUser;

/// Checks that there is a user for every service.
///
/// # Errors
/// If there are too few, or one that is not to be given.
pub fn validate(users: &RangeInclusive<u32>) -> Result<(), InvalidUsers> {
    if [0, 65_534, 65_535, u32::MAX]
        .iter()
        .any(|user| users.contains(user))
    {
        return Err(InvalidUsers::Reserved);
    }
    let count = u64::from(*users.end()) + 1;
    let enough = count.saturating_sub(u64::from(*users.start())) >= SEATS_MAX as u64;
    enough.then_some(()).ok_or(InvalidUsers::TooFew)
}

/// Everybody who has a user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Users {
    /// The one that was given last.
    last: u32,
    leases: BTreeMap<ServiceName, u32>,
}

impl Users {
    /// A service's user, the same every time unless it is no longer among the `allowed`.
    ///
    /// # Errors
    /// If everybody else has one already.
    pub(crate) fn lease(
        &mut self,
        service: &ServiceName,
        allowed: &RangeInclusive<u32>,
    ) -> Result<u32, NoUser> {
        if let Some(user) = self.leases.get(service).filter(|user| allowed.contains(user)) {
            return Ok(*user);
        }
        let taken: BTreeSet<u32> = self.leases.values().copied().collect();
        let next = self.last.saturating_add(1).max(*allowed.start());
        let in_turn = (next..=*allowed.end()).chain(allowed.clone());
        let user = in_turn
            .into_iter()
            .find(|user| !taken.contains(user))
            .ok_or(NoUser)?;
        self.last = user;
        self.leases.insert(service.clone(), user);
        Ok(user)
    }

    /// Forgets the users of all services but those that `stay`.
    pub(crate) fn keep_only(&mut self, stay: impl Fn(&ServiceName) -> bool) {
        self.leases.retain(|service, _| stay(service));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(number: u8) -> ServiceName {
        format!("service-{number}").parse().unwrap()
    }

    #[test]
    fn a_service_keeps_its_user_and_one_that_was_given_up_is_given_last() {
        let (mut users, allowed) = (Users::default(), 5_000..=5_002);
        let lease = |users: &mut Users, service| users.lease(&name(service), &allowed);
        assert_eq!(lease(&mut users, 1), Ok(5_000));
        assert_eq!(lease(&mut users, 2), Ok(5_001));
        assert_eq!(lease(&mut users, 1), Ok(5_000));
        users.keep_only(|service| *service != name(1));
        assert_eq!(lease(&mut users, 3), Ok(5_002));
        assert_eq!(lease(&mut users, 4), Ok(5_000), "behind the last comes the first");
        assert_eq!(lease(&mut users, 5), Err(NoUser));
        let moved = users.lease(&name(2), &(7_000..=7_001));
        assert_eq!(moved, Ok(7_000), "the operator names others");
    }

    #[test]
    fn nobody_is_root_or_nobody_and_there_is_one_for_everybody() {
        assert_eq!(validate(&(FIRST..=FIRST + COUNT - 1)), Ok(()));
        assert_eq!(validate(&(200_000..=201_023)), Ok(()));
        assert_eq!(validate(&(200_000..=201_022)), Err(InvalidUsers::TooFew));
        assert_eq!(
            validate(&RangeInclusive::new(9_000, 5_000)),
            Err(InvalidUsers::TooFew)
        );
        for reserved in [0..=100_000, 60_000..=70_000, 4_000_000_000..=u32::MAX] {
            assert_eq!(validate(&reserved), Err(InvalidUsers::Reserved));
        }
    }

    proptest! {
        #[test]
        fn whatever_happens_no_two_services_are_one_user(
            events in proptest::collection::vec((0..8_u8, any::<bool>()), 1..100),
        ) {
            let (mut users, allowed) = (Users::default(), 5_000..=5_005);
            for (service, leaves) in events {
                let before = users.leases.clone();
                if leaves {
                    users.keep_only(|other| *other != name(service));
                    prop_assert!(!users.leases.contains_key(&name(service)));
                    continue;
                }
                match users.lease(&name(service), &allowed) {
                    Ok(user) => {
                        prop_assert!(allowed.contains(&user));
                        prop_assert!(before.get(&name(service)).is_none_or(|kept| *kept == user));
                        let owners = users.leases.values().filter(|owned| **owned == user).count();
                        prop_assert_eq!(owners, 1);
                    }
                    Err(NoUser) => prop_assert_eq!(before.len(), 6),
                }
                let json = serde_json::to_string(&users).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Users>(&json).unwrap(), &users);
            }
        }
    }
}
