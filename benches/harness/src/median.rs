//! Figures of several runs.

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
}
