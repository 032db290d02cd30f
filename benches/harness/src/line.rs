//! One measured figure, for machines on stdout and for people on stderr.

use serde::Serialize;
use std::io::Write as _;

/// Which direction of a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Times, memory, multiples of a bound.
    Lower,
    /// Rates.
    Higher,
}

/// One JSON object of a bench's output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    bench: String,
    case: String,
    metric: String,
    unit: String,
    value: f64,
    baseline: Option<String>,
    baseline_value: Option<f64>,
    /// How many times better than the baseline we are, whichever direction is better: above 1 we are ahead.
    ratio: Option<f64>,
    runs: usize,
    note: String,
    /// Why there is no figure, or no more runs; then `metric` is `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Line {
    /// A figure that stands alone: the median of `runs` runs. The note begins with the machine.
    pub fn new(bench: &str, case: &str, metric: &str, (value, unit): (f64, &str), runs: usize) -> Self {
        Self {
            bench: bench.to_owned(),
            case: case.to_owned(),
            metric: metric.to_owned(),
            unit: unit.to_owned(),
            value,
            baseline: None,
            baseline_value: None,
            ratio: None,
            runs,
            note: crate::machine(),
            error: None,
        }
    }

    /// That a side, or without one the whole case, could not be measured, and why. Its value is null.
    pub fn failed(bench: &str, case: &str, side: Option<&str>, error: &str) -> Self {
        Self {
            baseline: side.map(str::to_owned),
            error: Some(error.to_owned()),
            ..Self::new(bench, case, "error", (f64::NAN, ""), 0)
        }
    }

    /// Sets it beside another program's figure, or beside a goal.
    #[must_use]
    pub fn against(mut self, baseline: &str, baseline_value: f64, better: Better) -> Self {
        let ratio = match better {
            Better::Lower => baseline_value / self.value,
            Better::Higher => self.value / baseline_value,
        };
        self.baseline = Some(baseline.to_owned());
        self.baseline_value = Some(baseline_value);
        self.ratio = Some(ratio).filter(|ratio| ratio.is_finite());
        self
    }

    /// What a reader must know beside the figure; may be called several times.
    #[must_use]
    pub fn note(mut self, note: &str) -> Self {
        self.note = format!("{}; {note}", self.note);
        self
    }

    /// How many times better than the baseline we are; `None` without one.
    pub fn ratio(&self) -> Option<f64> {
        self.ratio
    }

    /// Writes the object to stdout, and the same in words to stderr.
    ///
    /// # Errors
    /// When stdout can't be written.
    pub fn emit(&self) -> anyhow::Result<()> {
        let mut stdout = std::io::stdout().lock();
        serde_json::to_writer(&mut stdout, self)?;
        writeln!(stdout)?;
        eprintln!("{self}");
        Ok(())
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            case,
            metric,
            unit,
            value,
            ..
        } = self;
        if let Some(error) = &self.error {
            let side = self.baseline.as_deref().unwrap_or("all");
            return write!(formatter, "  {case:<14} {side} could not be measured: {error}");
        }
        write!(formatter, "  {case:<14} {metric:<22} {value:>10.3} {unit:<8}")?;
        if let (Some(baseline), Some(baseline_value), Some(ratio)) =
            (&self.baseline, self.baseline_value, self.ratio)
        {
            write!(formatter, " {baseline} {baseline_value:.3}, ratio {ratio:.2}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line::new("b", "c", "m", (2.0, "s"), 3)
    }

    #[test]
    fn a_ratio_above_one_means_ahead_whichever_direction_is_better() {
        assert_eq!(line().against("other", 4.0, Better::Lower).ratio(), Some(2.0));
        assert_eq!(line().against("other", 4.0, Better::Higher).ratio(), Some(0.5));
        assert_eq!(line().against("other", 0.0, Better::Higher).ratio(), None);
    }

    #[test]
    fn the_object_has_the_fields_that_were_promised() {
        let line = line().against("other", 4.0, Better::Lower).note("a note");
        let object = serde_json::to_value(&line).unwrap();
        let mut fields: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        let promised = [
            "baseline",
            "baseline_value",
            "bench",
            "case",
            "metric",
            "note",
            "ratio",
            "runs",
            "unit",
            "value",
        ];
        assert_eq!(fields, promised);
        assert!(object["note"].as_str().unwrap().ends_with("; a note"));
    }

    #[test]
    fn a_failure_is_an_object_of_its_own_without_a_value() {
        let object = serde_json::to_value(Line::failed("b", "c", Some("other"), "too slow")).unwrap();
        assert_eq!(object["error"], "too slow");
        assert_eq!(object["baseline"], "other");
        assert!(object["value"].is_null() && object["ratio"].is_null());
    }
}
