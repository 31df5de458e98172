//! The draw function and the stream of words behind it.

use std::convert::Infallible;

use super::Purpose;
use super::philox::philox2x64;

/// Blocks in a stream: the block number has 8 bits.
const BLOCKS: u16 = 256;

/// The random word for one purpose: see the [module](super) for the exact function.
#[inline]
pub fn draw(seed: u64, replication: u16, session: u64, purpose: Purpose, index: u32) -> u64 {
    philox2x64([session, counter_word(replication, purpose, index)], seed)[0]
}

#[inline]
const fn counter_word(replication: u16, purpose: Purpose, index: u32) -> u64 {
    (replication as u64) << 48 | (purpose as u64) << 40 | (index as u64) << 8
}

/// The stream of random words for one purpose; its first word is [`draw`]. It has 512 words.
#[derive(Clone, Debug)]
pub struct Draws {
    seed: u64,
    session: u64,
    counter: u64,
    block: u16,
    /// The second word of the last block, until it is taken.
    second: Option<u64>,
}

impl Draws {
    /// The stream for a purpose, at its first word. Costs nothing until a word is taken.
    #[inline]
    pub const fn new(
        seed: u64,
        replication: u16,
        session: u64,
        purpose: Purpose,
        index: u32,
    ) -> Self {
        let counter = counter_word(replication, purpose, index);
        Draws { seed, session, counter, block: 0, second: None }
    }

    /// The next word.
    ///
    /// # Panics
    /// After 512 words: a repeated stream would be a silent error, and no sampler comes near.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        if let Some(word) = self.second.take() {
            return word;
        }
        assert!(self.block < BLOCKS, "a stream of draws has 512 words: use another index");
        let [first, second] =
            philox2x64([self.session, self.counter | u64::from(self.block)], self.seed);
        self.block += 1;
        self.second = Some(second);
        first
    }

    /// A number in the open interval (0, 1), uniform on the midpoints of 2⁵² equal cells.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        const CELL: f64 = 1.0 / (1_u64 << 52) as f64;
        ((self.next_u64() >> 12) as f64 + 0.5) * CELL
    }

    /// True with probability `p`; never for `p = 0`, always for `p = 1`. Takes one word.
    #[inline]
    pub fn bernoulli(&mut self, p: f64) -> bool {
        self.uniform() < p
    }
}

impl rand_core::TryRng for Draws {
    type Error = Infallible;

    #[inline]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        // The high half: a word's bits are equally good, but a person expects the same top bits.
        Ok((Draws::next_u64(self) >> 32) as u32)
    }

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(Draws::next_u64(self))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&Draws::next_u64(self).to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pins the packing of the counter. The words were computed by a second, independent
    /// implementation of the module's page in another language.
    #[test]
    fn draws_match_the_documented_vectors() {
        assert_eq!(draw(0, 0, 0, Purpose::ArrivalGap, 0), 0xca00_a045_9843_d731);
        assert_eq!(draw(1, 0, 0, Purpose::ArrivalGap, 0), 0xebd2_5278_0533_0b9c);
        assert_eq!(draw(42, 3, 1000, Purpose::Think, 7), 0xf0eb_083b_1e9a_df13);
        let last = draw(u64::MAX, u16::MAX, u64::MAX, Purpose::ModelError, u32::MAX);
        assert_eq!(last, 0x7686_af59_47de_3e70);
    }

    #[test]
    fn a_stream_reads_both_words_of_each_block() {
        let mut draws = Draws::new(7, 1, 99, Purpose::ToolCpu, 5);
        assert_eq!(draws.next_u64(), draw(7, 1, 99, Purpose::ToolCpu, 5));
        for block in 0..256_u64 {
            let counter = 1 << 48 | 0x0d << 40 | 5 << 8 | block;
            let [first, second] = philox2x64([99, counter], 7);
            if block > 0 {
                assert_eq!(draws.next_u64(), first, "block {block}");
            }
            assert_eq!(draws.next_u64(), second, "block {block}");
        }
    }

    #[test]
    #[should_panic(expected = "512 words")]
    fn a_stream_does_not_repeat() {
        let mut draws = Draws::new(7, 1, 99, Purpose::ToolCpu, 5);
        for _ in 0..513 {
            draws.next_u64();
        }
    }

    /// A generator that gives one word for ever, to reach the ends of the mapping.
    fn uniform_of(word: u64) -> f64 {
        Draws { seed: 0, session: 0, counter: 0, block: 0, second: Some(word) }.uniform()
    }

    #[test]
    fn uniforms_keep_off_both_ends_and_are_symmetric() {
        let (least, most) = (uniform_of(0), uniform_of(u64::MAX));
        assert!(least > 0.0 && most < 1.0);
        assert_eq!(least, 2_f64.powi(-53));
        assert_eq!(1.0 - most, least);
        assert_eq!(uniform_of(1 << 63), 0.5 + 2_f64.powi(-53));
    }

    #[test]
    fn uniforms_have_the_moments_of_the_unit_interval_and_no_serial_correlation() {
        let n = 200_000;
        let (mut sum, mut squares, mut products, mut last) = (0.0, 0.0, 0.0, 0.5);
        for session in 0..n {
            let u = Draws::new(1, 0, session, Purpose::Think, 0).uniform();
            sum += u;
            squares += u * u;
            products += (u - 0.5) * (last - 0.5);
            last = u;
        }
        let n = n as f64;
        // Four standard errors: sd(U) = √(1/12), sd(U²) = √(4/45), sd of a product = 1/12.
        assert!((sum / n - 0.5).abs() < 4.0 * (1.0 / 12.0 / n).sqrt());
        assert!((squares / n - 1.0 / 3.0).abs() < 4.0 * (4.0 / 45.0 / n).sqrt());
        assert!((products / n).abs() < 4.0 / 12.0 / n.sqrt());
    }

    #[test]
    fn bernoulli_keeps_its_ends() {
        for session in 0..1000 {
            let draws = Draws::new(1, 0, session, Purpose::End, 0);
            assert!(!draws.clone().bernoulli(0.0));
            assert!(draws.clone().bernoulli(1.0));
        }
    }

    #[test]
    fn every_part_of_the_key_matters() {
        let base = draw(1, 2, 3, Purpose::Think, 4);
        let others = [
            draw(0, 2, 3, Purpose::Think, 4),
            draw(1, 3, 3, Purpose::Think, 4),
            draw(1, 2, 4, Purpose::Think, 4),
            draw(1, 2, 3, Purpose::Steps, 4),
            draw(1, 2, 3, Purpose::Think, 5),
        ];
        assert!(others.iter().all(|word| *word != base));
    }

    #[test]
    fn serves_rand() {
        use rand::Rng;
        let mut draws = Draws::new(1, 0, 0, Purpose::Think, 0);
        let mut bytes = [0_u8; 12];
        draws.clone().fill_bytes(&mut bytes);
        let words = [draws.next_u64().to_le_bytes(), draws.next_u64().to_le_bytes()].concat();
        assert_eq!(bytes, words[..12]);
    }
}
