//! Runs of several sides.

use std::fmt::Display;

/// What one side came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Runs<S, T> {
    /// The side.
    pub side: S,
    /// What its runs showed, in their order.
    pub runs: Vec<T>,
    /// Why it ran no more.
    pub error: Option<String>,
}

impl<S, T> Runs<S, T> {
    /// Of a side that has not run yet.
    pub const fn of(side: S) -> Self {
        Self {
            side,
            runs: Vec::new(),
            error: None,
        }
    }
}

/// Runs every side once, then every side again, so that whatever the machine does meanwhile meets all sides alike. How
/// often a side runs in all is what `times` says of it and its runs so far. One that failed runs no more: it would fail
/// again, and take its time.
pub async fn in_turn<S: Display, T>(
    sides: Vec<S>,
    times: impl Fn(&S, &[T]) -> usize,
    measure: impl AsyncFn(&S) -> anyhow::Result<T>,
) -> Vec<Runs<S, T>> {
    let mut all: Vec<Runs<S, T>> = sides.into_iter().map(Runs::of).collect();
    let wants_more = |of: &Runs<S, T>| of.error.is_none() && of.runs.len() < times(&of.side, &of.runs);
    while all.iter().any(wants_more) {
        for of in all.iter_mut().filter(|of| wants_more(of)) {
            match Box::pin(measure(&of.side)).await {
                Ok(run) => of.runs.push(run),
                Err(failure) => {
                    eprintln!("  {} failed: {failure:#}", of.side);
                    of.error = Some(format!("{failure:#}"));
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use std::sync::Mutex;

    #[tokio::test]
    async fn sides_run_in_turn_and_one_that_failed_or_is_done_is_passed_over() {
        let order = Mutex::new(Vec::new());
        let times = |side: &&str, _: &[usize]| if *side == "once" { 1 } else { 3 };
        let all = in_turn(vec!["fine", "once", "fails"], times, async |side| {
            let mut order = order.lock().unwrap();
            order.push(*side);
            if *side == "fails" && order.len() > 3 {
                bail!("no")
            }
            Ok(order.len())
        })
        .await;
        assert_eq!(
            *order.lock().unwrap(),
            ["fine", "once", "fails", "fine", "fails", "fine"]
        );
        let came_to: Vec<_> = all
            .iter()
            .map(|side| (side.runs.clone(), side.error.as_deref()))
            .collect();
        assert_eq!(
            came_to,
            [(vec![1, 4, 6], None), (vec![2], None), (vec![3], Some("no"))]
        );
    }
}
