//! What several processes use between two moments.

use crate::busy::Busy;
use crate::usage::Usage;
use anyhow::bail;
use std::time::{Duration, Instant};

/// How often it is asked who is done: a hundredth of the shortest run.
const ASK_PERIOD: Duration = Duration::from_millis(10);
/// How often the processes are looked at, so that little is lost of one that ends before the others.
const LOOK_PERIOD: Duration = Duration::from_millis(250);

/// Processes that are watched from a moment on.
#[derive(Debug)]
pub struct Meter {
    began: Instant,
    looked: Instant,
    busy: Busy,
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    pid: u32,
    cpu_seconds_before: f64,
    latest: Usage,
}

impl Watched {
    fn from_now_on(pid: u32) -> Self {
        let latest = Usage::of_process(pid).unwrap_or_default();
        Self {
            pid,
            cpu_seconds_before: latest.cpu_seconds,
            latest,
        }
    }
}

/// What they used until another moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Spent {
    /// Between the two moments.
    pub seconds: f64,
    /// Of all processes together.
    pub cpu_seconds: f64,
    /// The largest resident set of each process since it began, in bytes, in the order in which they were named.
    pub peak_rss_bytes: Vec<u64>,
    /// How busy the machine's processors were, 0 to 1.
    pub busy: f64,
}

/// What those who were waited for showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Race {
    /// When each was done, in seconds since the first moment.
    pub seconds: Vec<f64>,
    /// What the processes used.
    pub spent: Spent,
}

impl Meter {
    /// Watches these processes from now on.
    pub fn begin(processes: impl IntoIterator<Item = u32>) -> Self {
        let watched = processes.into_iter().map(Watched::from_now_on).collect();
        let now = Instant::now();
        Self {
            began: now,
            looked: now,
            busy: Busy::now(),
            watched,
        }
    }

    /// Watches one more from now on.
    pub fn watch(&mut self, pid: u32) {
        self.watched.push(Watched::from_now_on(pid));
    }

    /// Watches one more, which began after the first moment: all that it used counts.
    pub fn add(&mut self, pid: u32) {
        self.watched.push(Watched {
            pid,
            cpu_seconds_before: 0.0,
            latest: Usage::default(),
        });
    }

    /// Waits until each of `count` is done, which is the second moment.
    ///
    /// # Errors
    /// That of `is_done`, or that some are not done in time.
    pub async fn race(
        mut self,
        count: usize,
        limit: Duration,
        mut is_done: impl FnMut(usize) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Race> {
        let mut done: Vec<Option<f64>> = vec![None; count];
        loop {
            for (number, at) in done.iter_mut().enumerate().filter(|(_, at)| at.is_none()) {
                if is_done(number)? {
                    *at = Some(self.began.elapsed().as_secs_f64());
                    self.look();
                }
            }
            if let Some(seconds) = done.iter().copied().collect::<Option<Vec<f64>>>() {
                let spent = self.end();
                return Ok(Race { seconds, spent });
            }
            if self.began.elapsed() > limit {
                let ready = done.iter().flatten().count();
                bail!(
                    "cut off: {ready} of {count} were done after {:.0} s",
                    limit.as_secs_f64()
                );
            }
            if self.looked.elapsed() > LOOK_PERIOD {
                self.look();
            }
            tokio::time::sleep(ASK_PERIOD).await;
        }
    }

    /// The second moment.
    pub fn end(mut self) -> Spent {
        let seconds = self.began.elapsed().as_secs_f64();
        self.look();
        let cpu_seconds = |watched: &Watched| watched.latest.cpu_seconds - watched.cpu_seconds_before;
        Spent {
            seconds,
            cpu_seconds: self.watched.iter().map(cpu_seconds).sum(),
            peak_rss_bytes: self
                .watched
                .iter()
                .map(|watched| watched.latest.peak_rss_bytes)
                .collect(),
            busy: Busy::now().since(self.busy),
        }
    }

    fn look(&mut self) {
        for Watched { pid, latest, .. } in &mut self.watched {
            // One that ended keeps what it was seen to use; one that was not waited for has no memory any more.
            let now = Usage::of_process(*pid).unwrap_or_default();
            latest.cpu_seconds = latest.cpu_seconds.max(now.cpu_seconds);
            latest.peak_rss_bytes = latest.peak_rss_bytes.max(now.peak_rss_bytes);
        }
        self.looked = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    /// A shell that computes for ever.
    fn busy_shell() -> Child {
        Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap()
    }

    #[tokio::test]
    async fn what_a_process_used_is_kept_when_it_ends() {
        let mut shell = busy_shell();
        let mut meter = Meter::begin([]);
        meter.add(shell.id());
        // The first is done once the shell has worked, the second once it is gone.
        let mut worked = false;
        let ended = |number| {
            if number == 0 {
                let usage = Usage::of_process(shell.id()).unwrap_or_default();
                worked = usage.cpu_seconds >= 0.05;
            } else if worked {
                shell.kill()?;
                shell.wait()?;
            }
            Ok(worked)
        };
        let Race { seconds, spent } = meter.race(2, Duration::from_secs(60), ended).await.unwrap();
        shell.wait().unwrap();
        assert!(spent.cpu_seconds >= 0.05 && spent.seconds >= seconds[1]);
        assert!(spent.peak_rss_bytes[0] > 0);
    }

    #[tokio::test]
    async fn whoever_is_not_done_in_time_is_counted() {
        let waited = Meter::begin([])
            .race(3, Duration::ZERO, |number| Ok(number == 1))
            .await;
        assert_eq!(
            waited.unwrap_err().to_string(),
            "cut off: 1 of 3 were done after 0 s"
        );
    }
}
