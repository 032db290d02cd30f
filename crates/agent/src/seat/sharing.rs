//! A share for green before it gets everything: what no health check asks, clients do. As many errors among green's answers
//! as the service forbids send all requests back to blue, which has served most of them all the time.

use super::cutover::{Waits, passed, target, too_late};
use super::{Action, Health, Process, RestartPolicy, Role, Seat, World};
use crate::frontend::{Answers, Target};
use crate::reason::cut;
use model::ReleaseNumber;
use model::service::Split;
use std::time::{Duration, Instant};

/// Of fewer answers nothing is said: one error of three would be a third.
const ANSWERS_MIN: u64 = 20;

impl Seat {
    /// Gives the rising process its share first, where the service asks for that.
    pub(super) fn begin_share(&mut self) -> bool {
        let begins = self.times().split.is_some();
        if begins && let Some(beside) = &mut self.record.beside {
            beside.role = Role::Sharing;
            self.waits = Waits::default();
        }
        begins
    }

    /// The process that gets a share.
    pub fn shares(&self) -> Option<Target> {
        let beside = self.record.beside.as_ref()?;
        (beside.role == Role::Sharing).then(|| target(&beside.task))
    }

    /// The next step while a process of green gets a share.
    pub(super) fn share(
        &mut self,
        now: Instant,
        world: &World,
        active: ReleaseNumber,
        policy: &RestartPolicy,
    ) -> Option<Action> {
        let Process::Up { health, .. } = &world.beside else {
            return None;
        };
        let release = self.record.beside.as_ref()?.task.terms.release;
        let split = self.times().split;
        let Some(split) = split.filter(|_| release == active) else {
            // Its turn is over, or all is to go to it at once.
            if release == active {
                self.swap();
            } else {
                self.end_share();
            }
            return None;
        };
        match health {
            Health::Healthy { .. } if !world.process.is_healthy() => self.swap(),
            Health::Healthy { .. } => self.judge(now, world, &split, release, policy),
            Health::Failing(reason) => {
                let reason = format!(
                    "release {release} got {} % of the requests: {reason}",
                    split.percent
                );
                self.give_back(now, reason, policy);
            }
            // An agent that has just begun has not asked it yet.
            Health::Silent(_) | Health::Answering => {
                let limit = self.rising_seconds();
                if passed(now, *self.waits.rising_since.get_or_insert(now), limit) {
                    self.give_back(now, too_late(release, limit, health), policy);
                }
            }
        }
        None
    }

    fn judge(
        &mut self,
        now: Instant,
        world: &World,
        split: &Split,
        release: ReleaseNumber,
        policy: &RestartPolicy,
    ) {
        self.waits.rising_since = None;
        let Some(answers) = world.front.shares else { return };
        let since = *self.waits.shared_since.get_or_insert(now);
        if are_bad(answers, split) {
            let Answers { ended, errors } = answers;
            let reason = format!(
                "release {release} failed {errors} of the {ended} requests of its share, and {} % may",
                split.errors_percent_max
            );
            self.give_back(now, reason, policy);
        } else if passed(now, since, split.seconds) {
            self.swap();
        }
    }

    /// All requests go back to blue; green ends what it began, and is stopped as failed.
    fn give_back(&mut self, now: Instant, reason: String, policy: &RestartPolicy) {
        self.restarts.note(now, Duration::ZERO, cut(reason), policy);
        self.end_share();
        self.waits.condemned = true;
    }

    fn end_share(&mut self) {
        self.waits = Waits::default();
        if let Some(beside) = &mut self.record.beside {
            beside.role = Role::Retired;
        }
    }
}

fn are_bad(answers: Answers, split: &Split) -> bool {
    let allowed = answers.ended * u64::from(split.errors_percent_max);
    answers.ended >= ANSWERS_MIN && answers.errors * 100 > allowed
}
