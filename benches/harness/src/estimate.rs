//! How long a bench takes, said before it begins.

use crate::Plan;
use std::time::Duration;

/// What the quick form may take when no case is named.
const QUICK: Duration = Duration::from_secs(60);

/// How long a case takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// If everything goes as it usually does.
    pub likely: Duration,
    /// When it is cut off.
    pub most: Duration,
}

impl std::ops::Add for Estimate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            likely: self.likely + other.likely,
            most: self.most + other.most,
        }
    }
}

impl std::iter::Sum for Estimate {
    fn sum<I: Iterator<Item = Self>>(estimates: I) -> Self {
        estimates.fold(Self::default(), std::ops::Add::add)
    }
}

impl std::ops::Mul<usize> for Estimate {
    type Output = Self;

    fn mul(self, times: usize) -> Self {
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        Self {
            likely: self.likely.saturating_mul(times),
            most: self.most.saturating_mul(times),
        }
    }
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (likely, most) = (in_words(self.likely), in_words(self.most));
        write!(formatter, "about {likely}, and {most} at the most")
    }
}

fn in_words(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 100.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.0} min", seconds / 60.0)
    }
}

/// A case and how long it takes.
pub(crate) type Timed = (&'static str, Estimate);

/// What is run of a plan, and what is left out: the quick form runs the first cases that fit into a minute together,
/// but always those that are named, and one at least.
pub(crate) fn schedule(
    plan: &Plan,
    estimate: impl Fn(&Plan, &str) -> anyhow::Result<Estimate>,
) -> anyhow::Result<(Vec<Timed>, Vec<&'static str>)> {
    let (mut taken, mut left_out) = (Vec::new(), Vec::new());
    for case in &plan.cases {
        let next = estimate(plan, case)?;
        let all: Estimate = taken.iter().map(|(_, estimate)| *estimate).sum();
        if plan.quick && !plan.named && !taken.is_empty() && (all + next).likely > QUICK {
            left_out.push(*case);
        } else {
            taken.push((*case, next));
        }
    }
    Ok((taken, left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(quick: bool, named: bool) -> Plan {
        Plan {
            bench: "b",
            cases: vec!["long", "short", "shorter"],
            named,
            quick,
            runs: None,
        }
    }

    fn names(plan: &Plan) -> (Vec<&'static str>, Vec<&'static str>) {
        let estimate = |_: &Plan, case: &str| {
            let likely = Duration::from_secs(if case == "long" { 55 } else { 5 });
            Ok(Estimate {
                likely,
                most: likely * 2,
            })
        };
        let (taken, left_out) = schedule(plan, estimate).unwrap();
        (taken.into_iter().map(|(case, _)| case).collect(), left_out)
    }

    #[test]
    fn the_quick_form_takes_what_fits_into_a_minute_unless_cases_are_named() {
        assert_eq!(
            names(&plan(true, false)),
            (vec!["long", "short"], vec!["shorter"])
        );
        assert_eq!(names(&plan(true, true)).0.len(), 3);
        assert_eq!(names(&plan(false, false)).0.len(), 3);
    }

    #[test]
    fn an_estimate_is_read_in_seconds_or_minutes() {
        let estimate = Estimate {
            likely: Duration::from_secs(40),
            most: Duration::from_secs(110),
        };
        assert_eq!(estimate.to_string(), "about 40 s, and 2 min at the most");
        assert_eq!((estimate * 3).most, Duration::from_secs(330));
    }
}
