//! Intervals from one run, over its sessions.
//!
//! Turns of a session are not independent, sessions nearly are: they are the clusters. What the run
//! itself shares (the machine, the hour) is in no such interval.

use super::estimate::{Estimate, Spread};
use super::recorder::TurnSample;
use crate::stats::paired::Replicated;
use crate::stats::rank_of;
use crate::stats::special::beta_regularised;
use crate::units::Span;

/// Sessions below which one run says nothing certain.
const FEWEST: usize = 5;

/// The turns of one run by session.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    sessions: Vec<Vec<TurnSample>>,
}

/// Which time of a turn.
pub type OfTurn = fn(&TurnSample) -> Span;

impl Clusters {
    /// Groups turns by session.
    pub fn of(turns: &[TurnSample]) -> Self {
        let mut sorted = turns.to_vec();
        sorted.sort_by_key(|turn| turn.session);
        let sessions = sorted.chunk_by(|a, b| a.session == b.session).map(<[_]>::to_vec).collect();
        Clusters { sessions }
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The mean over all turns, a ratio of sums over sessions, with the interval that misses it in the
    /// share `error` of runs: the jackknife over sessions and Student's t. `None` without a turn.
    pub fn mean(&self, of: OfTurn, error: f64) -> Option<Estimate> {
        let sum = |s: &Vec<TurnSample>| s.iter().map(|turn| of(turn).seconds()).sum::<f64>();
        let sums: Vec<f64> = self.sessions.iter().map(sum).collect();
        let counts: Vec<f64> = self.sessions.iter().map(|s| s.len() as f64).collect();
        let turns = counts.iter().sum::<f64>();
        let value = (turns > 0.0).then(|| sums.iter().sum::<f64>() / turns)?;
        let found = Replicated::of_ratio(&sums, &counts).and_then(|r| r.interval(1.0 - error));
        let found = found.ok().filter(|_| self.sessions() >= FEWEST);
        let spread = found.map_or(Spread::TooFew, |i| Spread::Interval([i.low.max(0.0), i.high]));
        Some(Estimate { value, spread })
    }

    /// The `q` quantile over all turns, with Woodruff's interval (1952): the share of turns at or below
    /// it is a ratio over sessions, whose Student t interval around q is read back off the turns.
    /// `None` without a turn.
    pub fn quantile(&self, of: OfTurn, q: f64, error: f64) -> Option<Estimate> {
        let mut times: Vec<Span> = self.sessions.iter().flatten().map(of).collect();
        times.sort_unstable();
        let n = times.len() as u64;
        let at = |rank: u64| times.get(usize::try_from(rank).ok()?.checked_sub(1)?);
        let value = *at(rank_of(q, n))?;
        let below = |s: &Vec<TurnSample>| s.iter().filter(|turn| of(turn) <= value).count() as f64;
        let (below, counts): (Vec<f64>, Vec<f64>) =
            self.sessions.iter().map(|s| (below(s), s.len() as f64)).unzip();
        let spread = Replicated::of_ratio(&below, &counts)
            .and_then(|share| share.interval(1.0 - error))
            .ok()
            .filter(|_| self.sessions() >= FEWEST)
            .and_then(|share| {
                let half = share.half_width();
                // Beyond the outermost turns nothing is known.
                let ends = [q - half, q + half];
                let inside = ends[0] > 0.0 && ends[1] < 1.0;
                let [low, high] = ends.map(|p| at(rank_of(p.clamp(0.0, 1.0), n)));
                inside.then(|| Some([low?.seconds(), high?.seconds()])).flatten()
            });
        let spread = spread.map_or(Spread::TooFew, Spread::Interval);
        Some(Estimate { value: value.seconds(), spread })
    }
}

/// A share of independent sessions with Clopper and Pearson's interval (1934). `None` without any.
pub fn share(successes: u64, all: u64, error: f64) -> Option<Estimate> {
    let value = (all > 0).then(|| successes as f64 / all as f64)?;
    let (k, n) = (successes as f64, all as f64);
    // P(at least k of n) at the share p is I_p(k, n − k + 1), rising in p.
    let solve = |a: f64, b: f64, to: f64| {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            *(if beta_regularised(a, b, middle) < to { &mut low } else { &mut high }) = middle;
        }
        0.5 * (low + high)
    };
    let low = if successes == 0 { 0.0 } else { solve(k, n - k + 1.0, 0.5 * error) };
    let high = if successes == all { 1.0 } else { solve(k + 1.0, n - k, 1.0 - 0.5 * error) };
    Some(Estimate { value, spread: Spread::Interval([low, high]) })
}

/// Sessions that would have decided whether `estimate` is on one side of `threshold`, if they spread as
/// these do: the half width falls with the root of their number. `None` where no number would, or
/// nothing is known.
pub fn needed(estimate: &Estimate, threshold: f64, sessions: usize) -> Option<u64> {
    let [low, high] = estimate.ci95()?;
    let off = (threshold - estimate.value).abs();
    let half =
        if threshold > estimate.value { high - estimate.value } else { estimate.value - low };
    let n = sessions as f64 * (half / off) * (half / off);
    (off > 0.0 && n.is_finite() && n < 1e9).then_some(libm::ceil(n) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Purpose};

    const LENGTH: OfTurn = |turn| turn.length;

    fn turn(session: u64, seconds: f64) -> TurnSample {
        let length = Span::from_seconds(seconds);
        TurnSample { session, length, platform_time: length }
    }

    #[test]
    fn the_mean_is_that_of_turns_with_the_spread_of_sessions() {
        // Within sessions nothing differs: six sessions say as much as six numbers, not as twelve.
        let turns: Vec<TurnSample> = (0..12).map(|k| turn(k / 2, (k / 2 + 1) as f64)).collect();
        let found = Clusters::of(&turns).mean(LENGTH, 0.05).unwrap();
        assert!((found.value - 3.5).abs() < 1e-12);
        // Deviation √3.5 of 1 to 6, over √6, times t(5) = 2.570582.
        let half = 2.570_582 * (3.5_f64 / 6.0).sqrt();
        let [low, high] = found.ci95().unwrap();
        assert!((high - low - 2.0 * half).abs() < 1e-5, "{low} {high}");
        assert_eq!(Clusters::of(&turns[..8]).mean(LENGTH, 0.05).unwrap().spread, Spread::TooFew);
        assert_eq!(Clusters::of(&[]).mean(LENGTH, 0.05), None);
    }

    /// Turns of one session share half of their variance; intervals of the mean and the 90th percentile
    /// of 60 sessions cover the truth within 4 standard errors of 95% in 400 runs.
    #[test]
    fn intervals_over_sessions_cover_though_turns_are_alike() {
        let normal = crate::stats::special::normal_quantile;
        let u = |run: u64, session: u64, k: u32| {
            Draws::new(17, 0, run * 1000 + session, Purpose::Think, k).uniform()
        };
        let run = |run: u64| {
            let turns = (0..60).flat_map(|session| {
                let own = normal(u(run, session, 0));
                (1..=1 + (session % 7) as u32)
                    .map(move |k| turn(session, 20.0 + own + normal(u(run, session, k))))
            });
            Clusters::of(&turns.collect::<Vec<_>>())
        };
        let p90 = 20.0 + std::f64::consts::SQRT_2 * normal(0.9);
        let holds = |found: Estimate, truth: f64| {
            found.ci95().is_some_and(|[low, high]| low <= truth && truth <= high)
        };
        let (mut mean, mut quantile) = (0, 0);
        for number in 0..400 {
            let clusters = run(number);
            mean += u32::from(holds(clusters.mean(LENGTH, 0.05).unwrap(), 20.0));
            quantile += u32::from(holds(clusters.quantile(LENGTH, 0.9, 0.05).unwrap(), p90));
        }
        let least = 400.0 * 0.95 - 4.0 * (400.0_f64 * 0.95 * 0.05).sqrt();
        assert!(f64::from(mean) >= least && mean < 396, "mean {mean}");
        assert!(f64::from(quantile) >= least && quantile < 398, "quantile {quantile}");
    }

    #[test]
    fn shares_have_clopper_and_pearsons_ends() {
        // R: binom.test(8, 10)$conf.int = [0.4439045, 0.9747893].
        let [low, high] = share(8, 10, 0.05).unwrap().ci95().unwrap();
        assert!((low - 0.443_904_5).abs() < 1e-6 && (high - 0.974_789_3).abs() < 1e-6);
        // All of 10: 0.025^(1/10) = 0.6915029.
        let [low, high] = share(10, 10, 0.05).unwrap().ci95().unwrap();
        assert!((low - 0.691_502_9).abs() < 1e-6 && high == 1.0);
        assert_eq!(share(0, 0, 0.05), None);
    }

    #[test]
    fn the_number_that_would_decide_grows_with_the_square_of_what_is_asked() {
        let estimate = Estimate { value: 1.0, spread: Spread::Interval([0.8, 1.2]) };
        assert_eq!(needed(&estimate, 1.1, 50), Some(200));
        assert_eq!(needed(&estimate, 0.95, 50), Some(800));
        assert_eq!(needed(&estimate, 1.0, 50), None);
        let none = Estimate { value: 1.0, spread: Spread::TooFew };
        assert_eq!(needed(&none, 1.1, 50), None);
    }
}
