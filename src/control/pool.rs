//! Warm pools: sandboxes that are booted before anybody asks for them.

use std::collections::VecDeque;

use super::effect::Effect;
use crate::scenario::types::{FixedPool, PredictivePool, Refill};
use crate::units::{Quantity, Ratio, Span, Time};

/// A pool as the machine needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolTerms {
    /// The class whose sandboxes it holds.
    pub class: u16,
    /// How many.
    pub size: PoolSize,
    /// How long a ready one waits.
    pub ttl: Option<Span>,
    /// From a claim, expiry or failed boot until another is asked for.
    pub delay: Span,
    /// Least time between two that are asked for.
    pub gap: Span,
    /// The level behind it, tried when it is empty.
    pub next: Option<u16>,
    /// Its sandboxes are paused: they hold memory and no CPU.
    pub paused: bool,
}

/// How many places a pool has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PoolSize {
    /// Always so many.
    Fixed(u32),
    /// As many as the demand of late asks for.
    Predictive {
        /// Chance that the demand over one start is covered.
        cover: Ratio,
        /// How far back the demand is looked at.
        window: Span,
        /// Mean time of a start.
        start: Span,
    },
}

impl PoolTerms {
    /// A pool of fixed size for `class`, its waited times divided by `compression`.
    pub fn fixed(class: u16, pool: &FixedPool, compression: f64) -> Self {
        let ttl = pool.ttl.map(|ttl| ttl.compressed(compression));
        Self::new(class, PoolSize::Fixed(pool.size), ttl, &pool.refill, compression)
    }

    /// A pool that follows demand.
    pub fn predictive(class: u16, pool: &PredictivePool, start: Span, compression: f64) -> Self {
        let size = PoolSize::Predictive {
            cover: pool.cover,
            window: pool.window.compressed(compression),
            start,
        };
        let ttl = pool.ttl.map(|ttl| ttl.compressed(compression));
        Self::new(class, size, ttl, &pool.refill, compression)
    }

    fn new(
        class: u16,
        size: PoolSize,
        ttl: Option<Span>,
        refill: &Refill,
        compression: f64,
    ) -> Self {
        let per_second = refill.rate.as_ref().map_or(f64::INFINITY, |rate| rate.limit.base());
        PoolTerms {
            class,
            size,
            ttl,
            delay: refill.delay.compressed(compression),
            gap: Span::from_seconds(1.0 / per_second).compressed(compression),
            next: None,
            paused: false,
        }
    }

    /// How often the pool looks at its demand.
    pub fn look_every(&self) -> Option<Span> {
        match self.size {
            PoolSize::Fixed(_) => None,
            PoolSize::Predictive { window, .. } => {
                Some(Span::from_nanos((window.nanos() / 10).max(1)))
            }
        }
    }
}

/// A pool at work.
#[derive(Debug)]
pub(super) struct Pool {
    pub terms: PoolTerms,
    /// Ready places, oldest first.
    ready: VecDeque<u32>,
    /// Places asked for, waiting or booting.
    making: u32,
    target: u32,
    asked_at: Option<Time>,
    /// Instants at which a sandbox was wanted, within the window.
    wanted: VecDeque<Time>,
}

impl Pool {
    pub fn new(terms: PoolTerms) -> Self {
        let target = match terms.size {
            PoolSize::Fixed(size) => size,
            PoolSize::Predictive { .. } => 0,
        };
        Pool {
            terms,
            ready: VecDeque::new(),
            making: 0,
            target,
            asked_at: None,
            wanted: VecDeque::new(),
        }
    }

    /// Asks for as many places as are missing.
    pub fn refill(&mut self, now: Time, pool: u16, out: &mut Vec<Effect>) {
        while self.making + (self.ready.len() as u32) < self.target {
            self.making += 1;
            let mut at = now + if now == Time::ZERO { Span::ZERO } else { self.terms.delay };
            if let Some(before) = self.asked_at
                && !self.terms.gap.is_zero()
            {
                at = at.max(before + self.terms.gap);
            }
            self.asked_at = Some(at);
            out.push(Effect::NewPlace { pool, after: at.since(now) });
        }
    }

    /// Whether there are more places than there are to be.
    pub fn has_too_many(&self) -> bool {
        self.making + (self.ready.len() as u32) > self.target
    }

    /// The oldest ready place, which is no longer the pool's.
    pub fn claim(&mut self) -> Option<u32> {
        self.ready.pop_front()
    }

    /// A place that was being made is ready and stays.
    pub fn made(&mut self, id: u32) {
        self.making -= 1;
        self.ready.push_back(id);
    }

    /// A place that was being made is no longer.
    pub fn unmade(&mut self) {
        self.making -= 1;
    }

    /// A ready place is gone.
    pub fn lost(&mut self, id: u32) {
        let place = self.ready.iter().position(|ready| *ready == id);
        self.ready.remove(place.expect("a ready place is in its pool's list"));
    }

    /// All ready places, oldest first.
    pub fn ready(&self) -> impl Iterator<Item = u32> + '_ {
        self.ready.iter().copied()
    }

    /// Somebody wants a sandbox that the pool could give.
    pub fn demand(&mut self, now: Time) {
        if let PoolSize::Predictive { window, .. } = self.terms.size {
            self.wanted.push_back(now);
            self.forget(now, window);
        }
    }

    /// Sets the target by the demand of the last window.
    pub fn look(&mut self, now: Time) {
        let PoolSize::Predictive { cover, window, start } = self.terms.size else { return };
        self.forget(now, window);
        let rate = self.wanted.len() as f64 / window.seconds();
        self.target = poisson_quantile(rate * start.seconds(), cover.0);
    }

    fn forget(&mut self, now: Time, window: Span) {
        while self.wanted.front().is_some_and(|at| now.since(*at) >= window) {
            self.wanted.pop_front();
        }
    }
}

/// The smallest n with P(N ≤ n) ≥ p, for Poisson N of this mean.
fn poisson_quantile(mean: f64, p: f64) -> u32 {
    let mut term = libm::exp(-mean);
    if term == 0.0 {
        // The sum cannot be begun; the normal distribution is exact enough at such a mean.
        let z = crate::stats::special::normal_quantile(p);
        return (mean + z * mean.sqrt()).ceil().max(0.0) as u32;
    }
    let (mut n, mut sum) = (0, term);
    while sum < p && f64::from(n) < mean + 40.0 * (mean + 1.0).sqrt() {
        n += 1;
        term *= mean / f64::from(n);
        sum += term;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_poisson_demand() {
        // P(N ≤ 0) = e⁻¹ = 0.368, ≤ 1: 0.736, ≤ 2: 0.920, ≤ 3: 0.981.
        assert_eq!(poisson_quantile(1.0, 0.3), 0);
        assert_eq!(poisson_quantile(1.0, 0.7), 1);
        assert_eq!(poisson_quantile(1.0, 0.95), 3);
        assert_eq!(poisson_quantile(0.0, 0.99), 0);
        // Mean 1000, sd 31.6: the 95 % quantile is 1,052.
        assert_eq!(poisson_quantile(1000.0, 0.95), 1053);
    }
}
