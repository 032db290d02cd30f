//! One run of one side: processes are started, the clock runs from the order to the last answer.

use crate::parts::FLAG;
use crate::stage::Stage;
use anyhow::{Context as _, bail};
use bench_harness::Usage;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// Who copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Our swarm.
    Ours,
    /// TLS and nothing else.
    BareTls,
}

impl Side {
    /// Both, ours first.
    pub const ALL: [Self; 2] = [Self::Ours, Self::BareTls];

    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Ours => ("seed", "host"),
            Self::BareTls => ("tls-send", "tls-receive"),
        }
    }
}

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// From the order until the last receiver has everything.
    pub seconds: f64,
    /// Of all processes together, in that time.
    pub cpu_seconds: f64,
    /// Of the process that held most.
    pub peak_rss_bytes: u64,
}

/// Copies the content to so many receivers at once.
pub fn run(side: Side, stage: &Stage, receivers: usize) -> anyhow::Result<Outcome> {
    let (sender, receiver) = side.parts();
    let mut players = vec![Player::start(sender, stage.path(), "sender")?];
    for number in 0..receivers {
        players.push(Player::start(
            receiver,
            stage.path(),
            &format!("receiver-{number}"),
        )?);
    }
    let introductions = players
        .iter_mut()
        .map(Player::hear)
        .collect::<Result<Vec<_>, _>>()?;
    // A host knows everybody, a receiver of the bare copy only the sender.
    for (number, player) in players.iter_mut().enumerate().skip(1) {
        let known = match side {
            Side::BareTls => introductions[0].clone(),
            Side::Ours => {
                let others = introductions
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != number);
                others
                    .map(|(_, said)| said.as_str())
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        };
        player.tell(&known)?;
    }
    for player in &mut players[1..] {
        player.expect("ready")?;
    }
    let before = usages(&players)?;
    let begun = Instant::now();
    for player in &mut players[1..] {
        player.tell("go")?;
    }
    for player in &mut players[1..] {
        player.expect("done")?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let after = usages(&players)?;
    let used = after
        .iter()
        .zip(&before)
        .map(|(after, before)| after.cpu_seconds - before.cpu_seconds);
    let outcome = Outcome {
        seconds,
        cpu_seconds: used.sum(),
        peak_rss_bytes: after.iter().map(|usage| usage.peak_rss_bytes).max().unwrap_or(0),
    };
    for player in players {
        player.end()?;
    }
    eprintln!(
        "    {side:?}: {:.3} s, {:.2} s of processor time, {} MB at most",
        outcome.seconds,
        outcome.cpu_seconds,
        outcome.peak_rss_bytes / 1_000_000
    );
    Ok(outcome)
}

fn usages(players: &[Player]) -> anyhow::Result<Vec<Usage>> {
    let usage = |player: &Player| Usage::of_process(player.child.id()).context("a process has ended early");
    players.iter().map(usage).collect()
}

/// A process that plays a part.
struct Player {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    folder: std::path::PathBuf,
}

impl Player {
    fn start(part: &str, stage: &Path, name: &str) -> anyhow::Result<Self> {
        let folder = stage.join(name);
        let mut child = Command::new(std::env::current_exe()?)
            .args([FLAG, part])
            .args([stage, &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take().context("stdin is a pipe")?;
        let answers = child.stdout.take().context("stdout is a pipe")?;
        Ok(Self {
            child,
            orders,
            answers: BufReader::new(answers),
            folder,
        })
    }

    fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        Ok(writeln!(self.orders, "{line}")?)
    }

    fn hear(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("a process has ended early");
        }
        Ok(line.trim().to_owned())
    }

    fn expect(&mut self, word: &str) -> anyhow::Result<()> {
        let said = self.hear()?;
        if said != word {
            bail!("a process said {said:?} where {word:?} was expected");
        }
        Ok(())
    }

    /// Ends it, and throws away what it has written.
    fn end(self) -> anyhow::Result<()> {
        let Self {
            mut child,
            orders,
            answers,
            folder,
        } = self;
        drop((orders, answers));
        child.wait()?;
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}
