//! Sharing a number of hosts out.

/// Shares `amount` out in proportion to `weights`, by largest remainder (Hamilton's method; ties go to whoever comes
/// first). The shares sum to `amount`, or to all weights where those are less, and none is above its weight.
pub(crate) fn spread(amount: u64, weights: &[u64]) -> Vec<u64> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let amount = u128::from(amount).min(total);
    if amount == 0 {
        return vec![0; weights.len()];
    }
    let exact: Vec<u128> = weights
        .iter()
        .map(|weight| amount * u128::from(*weight))
        .collect();
    let mut shares: Vec<u128> = exact.iter().map(|exact| exact / total).collect();
    let left = amount - shares.iter().sum::<u128>();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|index| std::cmp::Reverse(exact[*index] % total));
    // Fewer are left than there are remainders above 0, so no share passes its weight.
    for index in by_remainder.into_iter().zip(0..left).map(|(index, _)| index) {
        shares[index] += 1;
    }
    // None is above its weight, which is a u64.
    shares
        .into_iter()
        .map(|share| u64::try_from(share).unwrap_or(u64::MAX))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_lost_and_nobody_gets_more_than_fits(
            amount in 0..1_000_u64,
            weights in prop::collection::vec(0..300_u64, 0..8),
        ) {
            let shares = spread(amount, &weights);
            prop_assert_eq!(shares.iter().sum::<u64>(), amount.min(weights.iter().sum()));
            prop_assert!(shares.iter().zip(&weights).all(|(share, weight)| share <= weight));
        }
    }

    #[test]
    fn one_host_goes_to_the_largest_region() {
        assert_eq!(spread(1, &[3, 5, 5]), [0, 1, 0]);
        assert_eq!(spread(4, &[4, 4, 8]), [1, 1, 2]);
    }
}
