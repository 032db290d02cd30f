//! Figures of several runs, and runs of several sides.

/// The median; the mean of the middle two where their number is even. Not a number when there is none.
pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let (middle, count) = (sorted.len() / 2, sorted.len());
    match count {
        0 => f64::NAN,
        _ if count.is_multiple_of(2) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// The smallest of the values that at least `part` of them do not exceed (nearest rank), `part` within 0 to 1. Not a
/// number when there is none.
pub fn percentile(values: &[f64], part: f64) -> f64 {
    let sorted = sorted(values);
    // Ranks are few enough for both casts.
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.max(1).min(sorted.len()).wrapping_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Runs every side once, then every side again, `runs` times in all, so that whatever the machine does meanwhile meets
/// all sides alike. The results are by side, in the order of the runs.
///
/// # Errors
/// The first error of a side.
pub fn in_turn<S, T>(
    sides: &[S],
    runs: usize,
    mut measure: impl FnMut(&S) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<Vec<T>>> {
    let mut results: Vec<Vec<T>> = sides.iter().map(|_| Vec::with_capacity(runs)).collect();
    for _ in 0..runs {
        for (side, of_side) in sides.iter().zip(&mut results) {
            of_side.push(measure(side)?);
        }
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles_are_those_of_the_textbook() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        for (part, expected) in [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            assert_eq!(percentile(&values, part), expected);
        }
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn sides_run_in_turn_and_results_stay_with_their_side() {
        let mut order = Vec::new();
        let results = in_turn(&["a", "b"], 2, |side| {
            order.push(*side);
            Ok(order.len())
        });
        assert_eq!(results.unwrap(), [[1, 3], [2, 4]]);
        assert_eq!(order, ["a", "b", "a", "b"]);
    }
}
