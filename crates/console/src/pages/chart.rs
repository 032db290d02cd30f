//! Bars: shares of one whole, drawn as SVG, since the page's policy allows no inline style. A bar is an
//! ornament; the numbers that it shows stand beside it as text.

use askama::filters::HtmlSafe;
use std::fmt;

/// Bars on a track, each from one share of the whole to another.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Chart {
    bars: Vec<Bar>,
}

#[derive(Debug, Clone, PartialEq)]
struct Bar {
    class: &'static str,
    /// In percent of the track.
    from: f64,
    width: f64,
}

/// The narrowest bar that can be seen, in percent.
const WIDTH_MIN: f64 = 0.5;

impl Chart {
    /// Adds a bar from `from` to `to` on a track as long as `whole`; what lies outside is cut off.
    pub(crate) fn span(&mut self, class: &'static str, from: i64, to: i64, whole: i64) {
        if whole <= 0 || to < from {
            return;
        }
        let share = |at: i64| at.clamp(0, whole) as f64 * 100.0 / whole as f64;
        let width = (share(to) - share(from)).max(WIDTH_MIN);
        let from = share(from).min(100.0 - width);
        self.bars.push(Bar { class, from, width });
    }

    /// Parts laid end to end on a track as long as `whole`.
    pub(crate) fn stack<const N: usize>(parts: [(&'static str, u64); N], whole: u64) -> Self {
        let mut chart = Self::default();
        let mut at = 0.0;
        for (class, part) in parts {
            if part == 0 || whole == 0 {
                continue;
            }
            let width = (part as f64 * 100.0 / whole as f64).min(100.0 - at);
            chart.bars.push(Bar {
                class,
                from: at,
                width,
            });
            at += width;
        }
        chart
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(concat!(
            r#"<svg class="track" aria-hidden="true">"#,
            r#"<rect class="ground" width="100%" height="100%" rx="3"/>"#
        ))?;
        for Bar { class, from, width } in &self.bars {
            write!(
                formatter,
                r#"<rect class="bar {class}" x="{from:.2}%" width="{width:.2}%" height="100%" rx="2"/>"#
            )?;
        }
        formatter.write_str("</svg>")
    }
}

/// Made of constants and numbers only.
impl HtmlSafe for Chart {}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(chart: &Chart) -> Vec<(f64, f64)> {
        chart.bars.iter().map(|bar| (bar.from, bar.width)).collect()
    }

    #[test]
    fn a_bar_never_leaves_its_track_and_is_never_too_narrow_to_see() {
        let mut chart = Chart::default();
        chart.span("a", 25, 75, 100);
        chart.span("a", -10, 400, 100);
        chart.span("a", 100, 100, 100);
        chart.span("a", 60, 40, 100);
        chart.span("a", 0, 1, 0);
        assert_eq!(shares(&chart), [(25.0, 50.0), (0.0, 100.0), (99.5, 0.5)]);
    }

    #[test]
    fn parts_are_laid_end_to_end() {
        let chart = Chart::stack([("a", 1), ("b", 0), ("c", 3)], 4);
        assert_eq!(shares(&chart), [(0.0, 25.0), (25.0, 75.0)]);
        assert_eq!(Chart::stack([("a", 1)], 0), Chart::default());
    }
}
