//! Philox2x64-10 of Random123.

const MULTIPLIER: u64 = 0xD2B7_4407_B1CE_6E93;
const WEYL: u64 = 0x9E37_79B9_7F4A_7C15;
const ROUNDS: u32 = 10;

/// The two random words that belong to a counter under a key.
#[inline]
pub(super) const fn philox2x64(counter: [u64; 2], key: u64) -> [u64; 2] {
    let [mut left, mut right] = counter;
    let mut round_key = key;
    let mut round = 0;
    while round < ROUNDS {
        let product = left as u128 * MULTIPLIER as u128;
        left = (product >> 64) as u64 ^ round_key ^ right;
        right = product as u64;
        round_key = round_key.wrapping_add(WEYL);
        round += 1;
    }
    [left, right]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that Random123 publishes for `philox2x64 10` (its `kat_vectors`).
    #[test]
    fn gives_the_published_answers() {
        let cases = [
            ([0, 0], 0, [0xca00_a045_9843_d731, 0x66c2_4222_c9a8_45b5]),
            ([u64::MAX; 2], u64::MAX, [0x65b0_21d6_0cd8_310f, 0x4d02_f322_2f86_df20]),
            (
                [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344],
                0xa409_3822_299f_31d0,
                [0x0a5e_742c_2997_341c, 0xb0f8_83d3_8000_de5d],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox2x64(counter, key), expected, "counter {counter:x?}, key {key:x}");
        }
    }
}
