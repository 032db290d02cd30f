//! A distribution's curve, drawn as SVG without words, since an image that stretches with the page would stretch
//! them too: axes and legend stand beside it as text, and what it shows is its label.

use crate::format;
use crate::wire::Progress;
use askama::filters::HtmlSafe;
use jiff::Timestamp;
use model::distribution::CurvePoint;
use std::fmt;

/// The units of the drawing; it is stretched to whatever place there is.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 160.0;

/// One distribution's curve.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve {
    /// The end of the axis of time, in milliseconds.
    end_ms: u64,
    points: Vec<Share>,
    /// The least time in which it could be done, in milliseconds.
    bound_ms: Option<u64>,
    label: String,
}

/// How far it was at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Share {
    at_ms: u64,
    /// From 0 to 1.
    held: f64,
    complete: f64,
}

impl Curve {
    pub(crate) fn new(progress: &Progress, now: Timestamp) -> Self {
        let summary = &progress.summary;
        let mut points: Vec<Share> = vec![Share {
            at_ms: 0,
            held: 0.0,
            complete: 0.0,
        }];
        let told = progress.curve.points();
        points.extend(told.iter().map(|point| share(point, summary.artifact_bytes)));
        if !summary.is_complete()
            && let Some(last) = points.last().copied()
        {
            // Nothing was told since: it stands where it stood.
            let since = now.as_millisecond() - progress.began_at.as_millisecond();
            points.push(Share {
                at_ms: u64::try_from(since).unwrap_or(0).max(last.at_ms),
                ..last
            });
        }
        let last_ms = points.last().map_or(0, |point| point.at_ms);
        let bound_ms = summary.bound.map(|bound| bound.least_ms);
        let percent = format::percent(
            &summary.transfer.verified_bytes(),
            &summary
                .artifact_bytes
                .saturating_mul(u64::from(summary.hosts.all)),
        );
        Self {
            end_ms: last_ms.max(bound_ms.unwrap_or(0)).max(1),
            bound_ms,
            label: format!(
                "After {}, {} of {} hosts hold all and {percent} % of the bytes are there.",
                time(last_ms),
                summary.hosts.complete,
                summary.hosts.all
            ),
            points,
        }
    }

    /// The end of the axis of time.
    pub(crate) fn end(&self) -> String {
        time(self.end_ms)
    }

    fn x(&self, at_ms: u64) -> f64 {
        at_ms as f64 / self.end_ms as f64 * WIDTH
    }
}

fn share(point: &CurvePoint, artifact_bytes: u64) -> Share {
    let hosts = f64::from(point.hosts.max(1));
    let whole = (artifact_bytes as f64 * hosts).max(1.0);
    Share {
        at_ms: point.at_ms,
        held: (point.held_bytes as f64 / whole).min(1.0),
        complete: (f64::from(point.complete_hosts) / hosts).min(1.0),
    }
}

fn time(milliseconds: u64) -> String {
    format::milliseconds(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}

fn y(share: f64) -> f64 {
    HEIGHT * (1.0 - share)
}

impl fmt::Display for Curve {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            r#"<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{}">"#,
            self.label
        )?;
        for quarter in [0.25, 0.5, 0.75] {
            let at = y(quarter);
            write!(formatter, r#"<path class="grid" d="M0 {at}H{WIDTH}"/>"#)?;
        }
        write!(formatter, r#"<path class="held" d="M0 {HEIGHT}"#)?;
        for point in &self.points {
            write!(formatter, "L{:.1} {:.1}", self.x(point.at_ms), y(point.held))?;
        }
        let end = self.points.last().map_or(0.0, |point| self.x(point.at_ms));
        write!(
            formatter,
            r#"L{end:.1} {HEIGHT}Z"/><path class="complete" d="M0 {HEIGHT}"#
        )?;
        // A host is complete or is not: steps.
        for point in &self.points {
            write!(formatter, "H{:.1}V{:.1}", self.x(point.at_ms), y(point.complete))?;
        }
        formatter.write_str(r#""/>"#)?;
        if let Some(bound_ms) = self.bound_ms {
            let at = self.x(bound_ms);
            write!(
                formatter,
                r#"<path class="bound" d="M0 {HEIGHT}L{at:.1} 0V{HEIGHT}"/>"#
            )?;
        }
        formatter.write_str("</svg>")
    }
}

/// Made of constants and numbers only.
impl HtmlSafe for Curve {}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ArtifactId;
    use model::distribution::{self, Bound, Distribution, HostCounts, Rates};
    use model::instance::Transfer;

    fn progress(held_bytes: u64, complete: u32) -> Progress {
        let mut curve = distribution::Curve::default();
        curve.push(CurvePoint {
            at_ms: 10_000,
            complete_hosts: complete,
            hosts: 2,
            held_bytes,
        });
        Progress {
            summary: Distribution {
                artifact: ArtifactId([1; 32]),
                elapsed_ms: 10_000,
                artifact_bytes: 100,
                hosts: HostCounts {
                    all: 2,
                    complete,
                    fetching: 2 - complete,
                    ..HostCounts::default()
                },
                transfer: Transfer {
                    peer_bytes: held_bytes,
                    ..Transfer::default()
                },
                rates: Rates::default(),
                rejected_pieces: 0,
                rarity: None,
                slowest: Vec::new(),
                bound: Some(Bound {
                    least_ms: 5_000,
                    down_bytes_per_s: 20,
                    down_is_limit: true,
                    up_bytes_per_s: None,
                }),
                left_ms: None,
            },
            curve,
            began_at: Timestamp::UNIX_EPOCH,
            reported_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_curve_under_way_goes_on_to_the_present_and_one_that_is_done_does_not() {
        assert_eq!(Curve::new(&progress(150, 1), at(40)).end(), "40.0 s");
        assert_eq!(Curve::new(&progress(200, 2), at(40)).end(), "10.0 s");
    }

    #[test]
    fn it_says_in_words_what_it_shows() {
        let drawn = Curve::new(&progress(150, 1), at(10)).to_string();
        let label = "After 10.0 s, 1 of 2 hosts hold all and 75 % of the bytes are there.";
        assert!(drawn.contains(label), "{drawn}");
        assert!(
            drawn.contains("L300.0 0V160"),
            "the bound stands at half the time: {drawn}"
        );
    }
}
