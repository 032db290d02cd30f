//! A completion curve against the bound, as an SVG for light and dark pages.

use simulator::Report;
use std::fmt::{self, Write as _};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Room for the labels: left, right, top, bottom.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 56.0;
/// Points of the curve at most; more can't be told apart.
const POINTS_MAX: usize = 600;
/// Marks along the axis of time, about.
const MARKS: f64 = 6.0;

const STYLE: &str = "
svg { background: #ffffff; font: 13px system-ui, sans-serif; }
text { fill: #1f2328; }
.quiet { fill: #59636e; }
.grid { stroke: #d1d9e0; }
.axis { stroke: #59636e; }
.curve { fill: none; stroke: #0969da; stroke-width: 2.5; stroke-linejoin: round; }
.bound { stroke: #cf222e; stroke-width: 2; stroke-dasharray: 6 4; }
.bound-name { fill: #cf222e; }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; }
  text { fill: #f0f6fc; }
  .quiet { fill: #9198a1; }
  .grid { stroke: #3d444d; }
  .axis { stroke: #9198a1; }
  .curve { stroke: #4493f8; }
  .bound { stroke: #f85149; }
  .bound-name { fill: #f85149; }
}";

/// Draws which share of the hosts had everything at which time.
pub fn draw(report: &Report) -> String {
    let last = report.max_s.max(report.bound_s).max(0.001);
    let step = mark_step(last);
    let plot = Plot {
        step,
        end: ((last / step).floor() + 1.0) * step,
    };
    let mut svg = String::new();
    // Writing to a string can't fail.
    let _ = plot.frame(&mut svg, report);
    let _ = plot.axes(&mut svg);
    let _ = plot.bound(&mut svg, report.bound_s);
    let _ = plot.curve(&mut svg, &report.completed_s);
    svg + "</svg>"
}

/// The scale of the axis of time, in seconds.
struct Plot {
    /// Between two marks.
    step: f64,
    /// At the right edge.
    end: f64,
}

impl Plot {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + seconds / self.end * (WIDTH - LEFT - RIGHT)
    }

    fn y(share: f64) -> f64 {
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn frame(&self, svg: &mut String, report: &Report) -> fmt::Result {
        write!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Share of hosts that hold the whole artifact, over {} seconds"><style>{STYLE}</style>"#,
            short(self.end)
        )?;
        write!(
            svg,
            r#"<text x="{LEFT}" y="24" font-weight="600">{} hosts: the last ends at {:.3} times the bound</text>"#,
            report.hosts, report.max_over_bound
        )?;
        write!(
            svg,
            r#"<text x="{LEFT}" y="42" class="quiet">half of them at {:.3}, 99% at {:.3}</text>"#,
            report.p50_over_bound, report.p99_over_bound
        )
    }

    fn axes(&self, svg: &mut String) -> fmt::Result {
        let (floor, right) = (Self::y(0.0), WIDTH - RIGHT);
        for percent in [0, 25, 50, 75, 100] {
            let at = Self::y(f64::from(percent) / 100.0);
            let (label, below) = (LEFT - 8.0, at + 4.0);
            write!(
                svg,
                r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{at}" y2="{at}"/><text x="{label}" y="{below}" text-anchor="end" class="quiet">{percent}%</text>"#
            )?;
        }
        for mark in 0..=(self.end / self.step).round() as u32 {
            let seconds = f64::from(mark) * self.step;
            let (at, tick, label) = (self.x(seconds), floor + 5.0, floor + 20.0);
            write!(
                svg,
                r#"<line class="axis" x1="{at:.1}" x2="{at:.1}" y1="{floor}" y2="{tick}"/><text x="{at:.1}" y="{label}" text-anchor="middle" class="quiet">{}</text>"#,
                short(seconds)
            )?;
        }
        let (middle, name) = ((LEFT + right) / 2.0, HEIGHT - 12.0);
        write!(
            svg,
            r#"<line class="axis" x1="{LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/><text x="{middle}" y="{name}" text-anchor="middle">seconds since the start</text>"#
        )
    }

    fn bound(&self, svg: &mut String, bound_s: f64) -> fmt::Result {
        let (at, low, floor) = (self.x(bound_s), Self::y(0.5), Self::y(0.0));
        let beside = at - 8.0;
        write!(
            svg,
            r#"<line class="bound" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{floor}"/><text class="bound-name" x="{beside:.1}" y="{low}" text-anchor="end">the least possible: {} s</text>"#,
            short(bound_s)
        )
    }

    fn curve(&self, svg: &mut String, completed_s: &[f64]) -> fmt::Result {
        write!(svg, r#"<path class="curve" d="M{LEFT} {}"#, Self::y(0.0))?;
        for (seconds, share) in points(completed_s) {
            write!(svg, "H{:.1}V{:.1}", self.x(seconds), Self::y(share))?;
        }
        write!(svg, r#"H{}"/>"#, WIDTH - RIGHT)
    }
}

/// Some of the sorted times, each with the share of hosts that had everything by then; the last among them.
fn points(completed_s: &[f64]) -> impl Iterator<Item = (f64, f64)> {
    let count = completed_s.len();
    let every = count.div_ceil(POINTS_MAX).max(1);
    (1..=count)
        .filter(move |rank| rank % every == 0 || *rank == count)
        .map(move |rank| (completed_s[rank - 1], rank as f64 / count as f64))
}

/// A round distance between marks: 1, 2 or 5 times a power of ten.
fn mark_step(end: f64) -> f64 {
    let least = end / MARKS;
    let power = 10_f64.powf(least.log10().floor());
    let times = [1.0, 2.0, 5.0].into_iter().find(|times| times * power >= least);
    times.unwrap_or(10.0) * power
}

/// A number without digits that say nothing.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{mark_step, points, short};

    #[test]
    fn a_curve_has_few_points_and_ends_with_the_last_host() {
        let times: Vec<f64> = (0..10_007).map(f64::from).collect();
        let points: Vec<_> = points(&times).collect();
        assert!(points.len() <= 601);
        assert_eq!(points.last(), Some(&(10_006.0, 1.0)));
    }

    #[test]
    fn marks_are_round() {
        for (end, step) in [(84.9, 20.0), (10.7, 2.0), (0.3, 0.05), (600.0, 100.0), (7.0, 2.0)] {
            assert!((mark_step(end) - step).abs() < 1e-9, "{end}");
        }
        assert_eq!([short(80.0), short(0.05), short(10.5)], ["80", "0.05", "10.5"]);
    }
}
