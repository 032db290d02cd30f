//! A hundred thousand instances, each with a heartbeat every ten seconds, one in a hundred with news.

use crate::instances::{INSTANCES, beat, registered, updates};
use anyhow::{Context as _, ensure};
use bench_harness::{Better, Line, Plan};
use bench_postgres::{cpu_seconds, own_cpu_seconds};
use database::builds::{Heard, Heartbeats};
use futures::future::join_all;
use model::InstanceHealth;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

const EVERY: Duration = Duration::from_secs(10);
/// Heartbeats come in portions, a hundred times a second.
const TICK: Duration = Duration::from_millis(10);
/// Heartbeats of one portion.
const PORTION: u32 = INSTANCES / 1_000;
/// So many rounds until an instance says another status than before.
const NEWS_EVERY: u64 = 100;

const fn window(plan: &Plan) -> Duration {
    Duration::from_secs(if plan.quick { 20 } else { 60 })
}

pub fn seconds(plan: &Plan) -> f64 {
    (2 * EVERY + window(plan)).as_secs_f64()
}

pub async fn measure(plan: &Plan, case: &str) -> anyhow::Result<()> {
    let (server, builds) = registered().await?;
    let heartbeats = Heartbeats::start(&builds);
    let (count, counted) = watch::channel(0_u64);
    let beating = tokio::spawn(beat_on(heartbeats, count));
    // Everybody is heard of once before anything is measured.
    tokio::time::sleep(EVERY + Duration::from_secs(2)).await;
    let before = updates(&server).await?;
    let (from, heard) = (Instant::now(), *counted.borrow());
    let cpu = (cpu_seconds(server.id()?)?, own_cpu_seconds()?);
    tokio::time::sleep(window(plan)).await;
    let seconds = from.elapsed().as_secs_f64();
    let cpu = (cpu_seconds(server.id()?)? - cpu.0, own_cpu_seconds()? - cpu.1);
    let heard = (*counted.borrow() - heard) as f64 / seconds;
    let after = updates(&server).await?;
    if beating.is_finished() {
        beating.await?.context("a heartbeat failed")?;
    } else {
        beating.abort();
    }
    let (written, hot) = (after.0 - before.0, after.1 - before.1);
    let line = |metric, value| Line::new(plan.bench, case, metric, value, 1);
    line("heartbeats_per_s", (heard, "1/s"))
        .against(
            "asked for",
            f64::from(INSTANCES) / EVERY.as_secs_f64(),
            Better::Higher,
        )
        .emit()?;
    // The counters are read two seconds after the clock.
    line("written_share", (written / (heard * (seconds + 2.0)), "share"))
        .note("the others said again what was just written")
        .emit()?;
    line("postgres_share_of_one_core", (cpu.0 / seconds, "share")).emit()?;
    line("process_share_of_one_core", (cpu.1 / seconds, "share"))
        .note("who hears them, and who sends them")
        .emit()?;
    line("hot_update_share", (hot / written, "share"))
        .against("goal", 0.99, Better::Higher)
        .emit()
}

/// Sends every instance's heartbeats until one fails, and counts those that were heard.
async fn beat_on(heartbeats: Heartbeats, count: watch::Sender<u64>) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for portion in 0_u32.. {
        ticks.tick().await;
        let first = portion.wrapping_mul(PORTION) % INSTANCES;
        let sequence = u64::from(portion / (INSTANCES / PORTION)) + 1;
        let beats = (first..first + PORTION).map(|number| {
            // Spread, so that each moment has its share of the news.
            let turned = (sequence + u64::from(number)) / NEWS_EVERY;
            let status = if turned.is_multiple_of(2) {
                InstanceHealth::Healthy
            } else {
                InstanceHealth::Degraded
            };
            beat(number, sequence, status)
        });
        let beats = beats.collect::<anyhow::Result<Vec<_>>>()?;
        for heard in join_all(beats.into_iter().map(|beat| heartbeats.hear(beat))).await {
            ensure!(matches!(heard?, Heard::Newest(_)), "one was not the newest");
        }
        count.send_modify(|count| *count += u64::from(PORTION));
    }
    Ok(())
}
