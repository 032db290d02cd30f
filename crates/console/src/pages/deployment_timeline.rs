//! A deployment's way through each region, on one scale of time.

use super::chart::Chart;
use crate::format;
use crate::wire::{DeploymentDetail, RegionMoments};
use jiff::Timestamp;
use model::RegionName;

/// The steps of the way, in order, as a legend names them: class, name, what it is.
pub(super) const STEPS: [(&str, &str, &str); 4] = [
    (
        "step-replicate",
        "Replicate",
        "until the region's store holds a verified copy",
    ),
    (
        "step-publish",
        "Publish",
        "until the region's etcd holds the order",
    ),
    (
        "step-swarm",
        "Swarm",
        "until the last host holds every verified byte",
    ),
    ("step-start", "Start", "until the last host is healthy"),
];

/// One region's way.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) region: RegionName,
    pub(super) chart: Chart,
    /// What each of [`STEPS`] took; `–` where it has not begun.
    pub(super) took: [String; STEPS.len()],
    /// From the confirmation to the last healthy host so far.
    pub(super) whole: String,
}

/// When a step began and ended, in milliseconds from the confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    from: i64,
    /// Absent while it goes on.
    to: Option<i64>,
}

pub(super) fn rows(detail: &DeploymentDetail, now: Timestamp) -> Vec<Row> {
    let confirmed = detail.deployment.created_at;
    let since = |at: Timestamp| (at.as_millisecond() - confirmed.as_millisecond()).max(0);
    let present = since(detail.deployment.finished_at.unwrap_or(now));
    let ways: Vec<_> = detail
        .regions
        .iter()
        .map(|region| (region, steps(&region.moments, since)))
        .collect();
    let last = ways
        .iter()
        .flat_map(|(_, steps)| steps.iter().flatten())
        .map(|step| step.to.unwrap_or(present))
        .max();
    let scale = last.unwrap_or(present).max(1);
    ways.into_iter()
        .map(|(region, steps)| {
            let healthy = region.moments.last_healthy_at.filter(|_| region.healthy > 0);
            Row {
                region: region.region.clone(),
                chart: chart(&steps, present, scale),
                took: steps.map(|step| took(step, present)),
                whole: healthy.map_or_else(|| "–".to_owned(), |at| format::milliseconds(since(at))),
            }
        })
        .collect()
}

/// Each step begins where what it waits for has happened.
fn steps(moments: &RegionMoments, since: impl Fn(Timestamp) -> i64) -> [Option<Step>; STEPS.len()] {
    let at = |moment: Option<Timestamp>| moment.map(&since);
    let (verified, told) = (at(moments.verified_at), at(moments.stage_told_at));
    let (staged, healthy) = (at(moments.last_staged_at), at(moments.last_healthy_at));
    let begun = at(moments.activate_told_at).or(staged);
    let step = |from: i64, to: Option<i64>| Step {
        from,
        to: to.map(|to| to.max(from)),
    };
    [
        Some(step(0, verified)),
        verified.map(|from| step(from, told)),
        told.map(|from| step(from, staged)),
        begun.filter(|_| staged.is_some()).map(|from| step(from, healthy)),
    ]
}

fn chart(steps: &[Option<Step>], present: i64, scale: i64) -> Chart {
    let mut chart = Chart::default();
    for ((class, _, _), step) in STEPS.iter().zip(steps) {
        if let Some(step) = step {
            chart.span(class, step.from, step.to.unwrap_or(present), scale);
        }
    }
    chart
}

fn took(step: Option<Step>, present: i64) -> String {
    match step {
        None => "–".to_owned(),
        Some(Step { from, to: Some(to) }) => format::milliseconds(to - from),
        Some(Step { from, to: None }) => format!("{} …", format::milliseconds(present - from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn since_100(at: Timestamp) -> i64 {
        (at.as_second() - 100).max(0)
    }

    #[test]
    fn a_copy_that_was_there_before_takes_no_time_and_an_open_step_has_no_end() {
        let moments = RegionMoments {
            verified_at: Some(at(50)),
            stage_told_at: Some(at(102)),
            ..RegionMoments::default()
        };
        let expected = [
            Some(Step { from: 0, to: Some(0) }),
            Some(Step { from: 0, to: Some(2) }),
            Some(Step { from: 2, to: None }),
            None,
        ];
        assert_eq!(steps(&moments, since_100), expected);
    }

    #[test]
    fn the_start_begins_when_the_region_is_told_to_run() {
        let moments = RegionMoments {
            verified_at: Some(at(101)),
            stage_told_at: Some(at(102)),
            last_staged_at: Some(at(105)),
            activate_told_at: Some(at(106)),
            last_healthy_at: Some(at(109)),
            ..RegionMoments::default()
        };
        let last = steps(&moments, since_100)[3];
        assert_eq!(last, Some(Step { from: 6, to: Some(9) }));
    }
}
