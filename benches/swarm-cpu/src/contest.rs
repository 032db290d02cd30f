//! One run of one side: processes are started, the clock runs from the order to the last answer.

use crate::player::Player;
use crate::side::Side;
use crate::stage::Stage;
use anyhow::Context as _;
use bench_harness::{MB, Meter, Race};
use bench_network::Node;
use bench_peers::{Program, Setting};
use std::time::Duration;

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// From the order until the last receiver has everything.
    pub seconds: f64,
    /// Of all processes together, in that time.
    pub cpu_seconds: f64,
    /// Of the receiver that held most, and of the sender.
    pub peak_rss_bytes: u64,
    pub peak_rss_bytes_of_sender: u64,
}

impl Outcome {
    /// Of a race whose first process is the sender.
    fn new(race: &Race) -> anyhow::Result<Self> {
        let (sender, receivers) = race
            .spent
            .peak_rss_bytes
            .split_first()
            .context("there is a sender")?;
        Ok(Self {
            seconds: race.seconds.iter().copied().fold(0.0, f64::max),
            cpu_seconds: race.spent.cpu_seconds,
            peak_rss_bytes: receivers.iter().copied().max().unwrap_or(0),
            peak_rss_bytes_of_sender: *sender,
        })
    }
}

/// Copies the content to so many receivers at once.
pub async fn run(side: Side, stage: &Stage, receivers: usize, limit: Duration) -> anyhow::Result<Outcome> {
    let race = match side {
        Side::Ours => play(side, ("seed", "host"), stage, receivers, limit).await?,
        Side::BareTls => play(side, ("tls-send", "tls-receive"), stage, receivers, limit).await?,
        Side::Other(program) => compete(program, stage, receivers, limit).await?,
    };
    let outcome = Outcome::new(&race)?;
    eprintln!(
        "  {:<10} {:.3} s, {:.2} s of processor time, {:.0} MB a receiver at the most",
        side.to_string(),
        outcome.seconds,
        outcome.cpu_seconds,
        outcome.peak_rss_bytes as f64 / MB
    );
    Ok(outcome)
}

/// Lets another program copy it. Its nodes share the loopback.
async fn compete(program: Program, stage: &Stage, receivers: usize, limit: Duration) -> anyhow::Result<Race> {
    let folder = tempfile::Builder::new().prefix("run-").tempdir_in(stage.path())?;
    let hosts: Vec<Node> = (0..receivers)
        .map(|number| Node::loopback(&format!("receiver-{number}")))
        .collect();
    let setting = Setting {
        seed: &Node::loopback("sender"),
        hosts: &hosts,
        content: &stage.content(),
        torrent: &stage.torrent(),
        tracker: &stage.tracker,
        folder: folder.path(),
    };
    program.prepare(setting).await?.race(limit).await
}

/// Lets processes of this program play the two parts.
async fn play(
    side: Side,
    (sender, receiver): (&str, &str),
    stage: &Stage,
    receivers: usize,
    limit: Duration,
) -> anyhow::Result<Race> {
    let mut players = vec![Player::start(sender, stage.path(), "sender")?];
    for number in 0..receivers {
        let name = format!("receiver-{number}");
        players.push(Player::start(receiver, stage.path(), &name)?);
    }
    let played = tokio::time::timeout(limit, async {
        introduce(side, &mut players).await?;
        let meter = Meter::begin(players.iter().filter_map(Player::id));
        for player in &mut players[1..] {
            player.tell("go").await?;
        }
        for player in &mut players[1..] {
            player.expect("done").await?;
        }
        anyhow::Ok(meter.end())
    });
    let spent = played
        .await
        .with_context(|| format!("cut off after {:.0} s", limit.as_secs_f64()))??;
    for player in players {
        player.end().await?;
    }
    Ok(Race {
        seconds: vec![spent.seconds],
        spent,
    })
}

/// Makes the players known to each other, and waits until the receivers are ready.
async fn introduce(side: Side, players: &mut [Player]) -> anyhow::Result<()> {
    let mut introductions = Vec::new();
    for player in &mut *players {
        introductions.push(player.hear().await?);
    }
    // A host knows everybody, a receiver of the bare copy only the sender.
    for (number, player) in players.iter_mut().enumerate().skip(1) {
        let known = |other: usize| side == Side::Ours && other != number || other == 0;
        let others = introductions
            .iter()
            .enumerate()
            .filter(|(other, _)| known(*other));
        let others: Vec<&str> = others.map(|(_, said)| said.as_str()).collect();
        player.tell(&others.join(" ")).await?;
    }
    for player in &mut players[1..] {
        player.expect("ready").await?;
    }
    Ok(())
}
