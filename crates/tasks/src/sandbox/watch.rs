//! Looking whether a build keeps its limits, while it runs and once more when it has ended.

use super::cgroup::{Controller, Group};
use super::disk::{self, Usage};
use super::{Exceeded, Exit, census};
use crate::Error;
use model::ByteSize;
use model::limits::Limits;
use rustix::process::Pid;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a running build is looked at.
const EVERY: Duration = Duration::from_millis(100);
/// How often its folders are walked at most.
const WALK_EVERY: Duration = Duration::from_millis(400);
/// Walking takes at most this share of the time, however many files there are: one part of so many.
const WALK_SHARE: u32 = 20;

/// One build's watcher.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) limits: Limits,
    pub(super) group: Option<Group>,
    /// What the build may write to.
    pub(super) folders: Vec<PathBuf>,
    /// What the file system under `folders` must have left.
    pub(super) disk_reserve: ByteSize,
}

/// What was found.
#[derive(Debug)]
enum Finding {
    Exceeded(Exceeded),
    DiskFull { free: ByteSize },
}

impl Watch {
    /// Returns when the build of `leader` has broken a limit; an error when the machine is in trouble.
    pub(super) async fn until_exceeded(self: &Arc<Self>, leader: Pid) -> Result<Exceeded, Error> {
        let mut next_walk = Instant::now();
        loop {
            let walk = Instant::now() >= next_walk;
            let (watch, began) = (self.clone(), Instant::now());
            let looked = tokio::task::spawn_blocking(move || watch.look(Some(leader), walk));
            if let Some(exceeded) = self.judge(looked.await)? {
                return Ok(exceeded);
            }
            if walk {
                next_walk = Instant::now() + WALK_EVERY.max(began.elapsed() * WALK_SHARE);
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// For a build that ended by itself: whether it did because of a limit, or broke one unseen. One that
    /// failed on a full disk is not to blame, and one that succeeded needs the disk no more.
    pub(super) async fn explain(self: &Arc<Self>, exit: Exit) -> Result<Exit, Error> {
        let watch = self.clone();
        let looked = tokio::task::spawn_blocking(move || watch.look(None, true)).await;
        match self.judge(looked) {
            Ok(exceeded) => Ok(exceeded.map_or(exit, Exit::Exceeded)),
            Err(Error::DiskFull { .. }) if exit.success() => Ok(exit),
            Err(error) => Err(error),
        }
    }

    fn judge(
        &self,
        looked: Result<io::Result<Option<Finding>>, tokio::task::JoinError>,
    ) -> Result<Option<Exceeded>, Error> {
        let looked = looked.map_err(|_| Error::Lost)?;
        match looked.map_err(Error::Limits)? {
            None => Ok(None),
            Some(Finding::Exceeded(exceeded)) => Ok(Some(exceeded)),
            Some(Finding::DiskFull { free }) => Err(Error::DiskFull {
                free,
                reserve: self.disk_reserve,
            }),
        }
    }

    fn look(&self, leader: Option<Pid>, walk: bool) -> io::Result<Option<Finding>> {
        let held = match &self.group {
            Some(group) => group.exceeded()?,
            None => None,
        };
        let counted = || leader.map_or(Ok(None), |leader| self.count(leader));
        if let Some(exceeded) = held.map_or_else(counted, |held| Ok(Some(held)))? {
            return Ok(Some(Finding::Exceeded(exceeded)));
        }
        if walk { self.walk() } else { Ok(None) }
    }

    /// What no group limits is counted.
    fn count(&self, leader: Pid) -> io::Result<Option<Exceeded>> {
        let lacks = |controller| !self.group.as_ref().is_some_and(|group| group.has(controller));
        let (memory, processes) = (lacks(Controller::Memory), lacks(Controller::Processes));
        if !memory && !processes {
            return Ok(None);
        }
        let census = census::of_family(leader)?;
        // First, since many processes are much memory too.
        if processes && census.processes > u64::from(self.limits.processes) {
            return Ok(Some(Exceeded::Processes(self.limits.processes)));
        }
        if memory && census.resident_bytes > self.limits.memory.0 {
            return Ok(Some(Exceeded::Memory(self.limits.memory)));
        }
        Ok(None)
    }

    fn walk(&self) -> io::Result<Option<Finding>> {
        let limit = self.limits.disk;
        match disk::usage(&self.folders, limit.0)? {
            Usage::TooDeep => return Ok(Some(Finding::Exceeded(Exceeded::Nesting))),
            Usage::Bytes(bytes) if bytes > limit.0 => {
                return Ok(Some(Finding::Exceeded(Exceeded::Disk(limit))));
            }
            Usage::Bytes(_) => {}
        }
        let mut full = None;
        for folder in &self.folders {
            let free = ByteSize(disk::free_bytes(folder)?);
            full = full.or((free < self.disk_reserve).then_some(Finding::DiskFull { free }));
        }
        Ok(full)
    }
}
