//! The lines of one case: medians of our runs, beside those of the other sides.

use crate::{Better, Line, Plan, Runs, median};
use anyhow::Context as _;
use std::fmt::Display;

/// What one case came to.
#[derive(Debug)]
pub struct Report<'a, S, T> {
    bench: &'a str,
    case: &'a str,
    ours: &'a [T],
    others: &'a [Runs<S, T>],
    note: String,
}

impl<'a, S: Display, T> Report<'a, S, T> {
    /// Of several sides, of which the first is ours. Sides that failed are told of at once.
    ///
    /// # Errors
    /// When ours has no runs.
    pub fn new(plan: &'a Plan, case: &'a str, sides: &'a [Runs<S, T>]) -> anyhow::Result<Self> {
        let (ours, others) = sides.split_first().context("a case without sides")?;
        for Runs { side, error, .. } in sides {
            if let Some(error) = error {
                Line::failed(plan.bench, case, Some(&side.to_string()), error).emit()?;
            }
        }
        anyhow::ensure!(!ours.runs.is_empty(), "{} never came to its end", ours.side);
        Ok(Self {
            bench: plan.bench,
            case,
            ours: &ours.runs,
            others,
            note: String::new(),
        })
    }

    /// What a reader must know beside every figure.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The median of a figure of our runs.
    pub fn median(&self, figure: impl Fn(&T) -> f64) -> f64 {
        median_of(self.ours, figure)
    }

    /// A figure of ours alone.
    pub fn line(&self, metric: &str, unit: &str, figure: impl Fn(&T) -> f64) -> Line {
        let value = self.median(figure);
        let line = Line::new(self.bench, self.case, metric, (value, unit), self.ours.len());
        if self.note.is_empty() {
            line
        } else {
            line.note(&self.note)
        }
    }

    /// A figure of ours beside that of each side that has any, a line each.
    ///
    /// # Errors
    /// When stdout can't be written.
    pub fn beside(
        &self,
        metric: &str,
        unit: &str,
        better: Better,
        figure: impl Fn(&T) -> f64,
    ) -> anyhow::Result<()> {
        for Runs { side, runs, .. } in self.others.iter().filter(|other| !other.runs.is_empty()) {
            let side = side.to_string();
            self.line(metric, unit, &figure)
                .against(&side, median_of(runs, &figure), better)
                .note(&format!("{side} ran {} times", runs.len()))
                .emit()?;
        }
        Ok(())
    }

    /// The same, and a line more beside what it should be at least or at most.
    ///
    /// # Errors
    /// When stdout can't be written.
    pub fn beside_goal(
        &self,
        (metric, unit): (&str, &str),
        better: Better,
        goal: f64,
        figure: impl Fn(&T) -> f64,
    ) -> anyhow::Result<()> {
        self.beside(metric, unit, better, &figure)?;
        self.line(metric, unit, &figure)
            .against("goal", goal, better)
            .emit()
    }
}

fn median_of<T>(runs: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    median(&runs.iter().map(figure).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(side: &'static str, runs: &[f64]) -> Runs<&'static str, f64> {
        Runs {
            side,
            runs: runs.to_vec(),
            error: None,
        }
    }

    fn plan() -> Plan {
        Plan {
            bench: "b",
            cases: vec!["c"],
            named: false,
            quick: false,
            runs: None,
        }
    }

    #[test]
    fn a_line_holds_the_median_of_the_first_side() {
        let (plan, sides) = (plan(), [side("ours", &[3.0, 1.0, 2.0]), side("other", &[9.0])]);
        let report = Report::new(&plan, "c", &sides).unwrap().note("of a test");
        let object = serde_json::to_value(report.line("m", "s", |run| *run)).unwrap();
        assert_eq!((&object["value"], &object["runs"]), (&2.0.into(), &3.into()));
        assert!(object["note"].as_str().unwrap().ends_with("; of a test"));
    }

    #[test]
    fn without_a_run_of_ours_there_is_no_report() {
        let (plan, sides) = (plan(), [side("ours", &[]), side("other", &[9.0])]);
        let refused = Report::new(&plan, "c", &sides).unwrap_err();
        assert_eq!(refused.to_string(), "ours never came to its end");
    }
}
