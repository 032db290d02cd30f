//! A modelled host: what it was told, what becomes of that, and what it says. Pure: time and luck are arguments.

use crate::fate::Fate;
use model::instance::{InstanceHealth, TaskState, Transfer};
use model::region_report::HostInstance;
use model::{HostName, Instance, RegionService, ReleaseNumber, ZoneName};
use std::time::Duration;

/// What the host does next by itself, and when, since the bench began.
#[derive(Debug, Clone, Copy)]
struct Next {
    at: Duration,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Every byte is there.
    Staged,
    /// The process answers; it will fail after so long, if at all.
    Up(Option<Duration>),
    /// The process fails.
    Fails,
}

/// One host with one service.
#[derive(Debug)]
pub struct Host {
    pub name: HostName,
    pub zone: ZoneName,
    pub active: Option<ReleaseNumber>,
    staged: Option<ReleaseNumber>,
    state: TaskState,
    health: InstanceHealth,
    next: Option<Next>,
}

impl Host {
    pub fn new(name: HostName, zone: ZoneName) -> Self {
        Self {
            name,
            zone,
            active: None,
            staged: None,
            state: TaskState::Pending,
            health: InstanceHealth::Unknown,
            next: None,
        }
    }

    /// Whether it holds every byte of a release.
    pub fn has_staged(&self, release: ReleaseNumber) -> bool {
        self.staged == Some(release) || self.active == Some(release)
    }

    /// Whether what it runs fails.
    pub fn is_unhealthy(&self) -> bool {
        self.health == InstanceHealth::Failed
    }

    /// Is told to fetch a release, which takes `until`. What it runs goes on.
    pub fn stage(&mut self, until: Duration) {
        // One whose process is just starting goes on with that: its answer is what others wait for.
        let starts = self.next.is_some_and(|next| next.what != What::Staged);
        if !starts {
            self.next = Some(Next {
                at: until,
                what: What::Staged,
            });
        }
    }

    /// Is told to run a release of other bytes than those that it runs.
    pub fn activate(&mut self, release: ReleaseNumber, fate: Fate, now: Duration) {
        (self.active, self.staged) = (Some(release), Some(release));
        (self.state, self.health) = (TaskState::Starting, InstanceHealth::Unknown);
        self.next = Some(Next {
            at: now + fate.starts_in,
            what: match fate.fails_in {
                Some(Duration::ZERO) => What::Fails,
                later => What::Up(later),
            },
        });
    }

    /// Is told that what it runs has another number now.
    pub fn rename(&mut self, release: ReleaseNumber) {
        (self.active, self.staged) = (Some(release), Some(release));
    }

    /// Does what was due by now; whether it has something to say.
    pub fn pass(&mut self, now: Duration, newest: ReleaseNumber) -> bool {
        let Some(Next { at, what }) = self.next.filter(|next| next.at <= now) else {
            return false;
        };
        self.next = None;
        match what {
            What::Staged => self.staged = Some(newest),
            What::Up(fails_in) => {
                (self.state, self.health) = (TaskState::Healthy, InstanceHealth::Healthy);
                self.next = fails_in.map(|after| Next {
                    at: at + after,
                    what: What::Fails,
                });
            }
            What::Fails => (self.state, self.health) = (TaskState::Error, InstanceHealth::Failed),
        }
        true
    }

    /// What it says.
    pub fn says(&self, service: &RegionService) -> Option<HostInstance> {
        let newest = service.newest()?;
        let runs_newest = self.active == Some(newest.release);
        let state = match self.staged {
            _ if runs_newest => self.state,
            Some(staged) if staged == newest.release => TaskState::Staged,
            _ => TaskState::Fetching,
        };
        let instance = Instance {
            service: service.service.clone(),
            epoch: newest.epoch,
            desired_release: newest.release,
            running_release: self.active.filter(|_| self.state == TaskState::Healthy),
            active_release: self.active,
            warm_release: None,
            state,
            health: self.health,
            observations: 0,
            port: None,
            transfer: Transfer::default(),
            reason: (state == TaskState::Error).then(|| "the process ended with status 1".to_owned()),
        };
        Some(HostInstance {
            host: self.name.clone(),
            zone: self.zone.clone(),
            instance,
        })
    }
}
