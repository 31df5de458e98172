//! The states of a Markov-modulated Poisson process, and the way through them.

use crate::random::{Draws, Purpose};
use crate::scenario::types::ModulatedState;
use crate::units::{Span, Time};

/// The states: each followed by the next, the last by the first.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    states: Vec<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// Arrivals per second.
    rate: f64,
    /// Mean stay, seconds.
    mean: f64,
}

/// Where a process is: its state, and until when it stays there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    seed: u64,
    replication: u16,
    state: usize,
    until: Time,
    stay: u32,
}

impl Chain {
    /// `None` if there are no states, if one lasts no time, or if none has arrivals.
    pub fn new(states: &[ModulatedState]) -> Option<Self> {
        let state =
            |s: &ModulatedState| State { rate: s.rate.per_second(), mean: s.mean.seconds() };
        let chain = Chain { states: states.iter().map(state).collect() };
        let lasting = chain.states.iter().all(|state| state.mean > 0.0);
        let rate = if lasting { chain.mean_rate() } else { 0.0 };
        ((1.0 / rate).is_finite() && rate > 0.0).then_some(chain)
    }

    /// Arrivals per second over the long run: Σ rate · mean stay / Σ mean stay.
    pub fn mean_rate(&self) -> f64 {
        let arrivals: f64 = self.states.iter().map(|state| state.rate * state.mean).sum();
        arrivals / self.whole()
    }

    fn whole(&self) -> f64 {
        self.states.iter().map(|state| state.mean).sum()
    }

    /// Time passes `compress` times as fast, and arrivals are `more` times as many.
    pub fn speed_up(&mut self, more: f64, compress: f64) {
        for state in &mut self.states {
            state.rate *= more * compress;
            state.mean /= compress;
        }
    }

    /// The way of one replication, from time 0.
    pub fn walk(&self, seed: u64, replication: u16) -> Walk {
        let mut draws = Draws::new(seed, replication, 0, Purpose::ArrivalState, 0);
        let mut left = draws.uniform() * self.whole();
        let reached = self.states.iter().position(|state| {
            left -= state.mean;
            left < 0.0
        });
        // What rounding leaves beyond the last state is the last state's.
        let state = reached.unwrap_or(self.states.len() - 1);
        let stays = Span::from_seconds(unit_exponential(&mut draws) * self.states[state].mean);
        Walk { seed, replication, state, until: Time::ZERO + stays, stay: 0 }
    }
}

impl Walk {
    /// When the rate, summed from `from` on, has reached `sum`.
    pub fn next(&mut self, chain: &Chain, mut from: Time, mut sum: f64) -> Time {
        loop {
            let State { rate, .. } = chain.states[self.state];
            let within = rate * self.until.since(from).seconds();
            if sum < within {
                return from + Span::from_seconds(sum / rate);
            }
            if self.until == Time::MAX {
                return Time::MAX;
            }
            sum -= within;
            from = self.until;
            self.state = (self.state + 1) % chain.states.len();
            self.stay += 1;
            let (seed, replication) = (self.seed, self.replication);
            let mut draws = Draws::new(seed, replication, 0, Purpose::ArrivalState, self.stay);
            let stays = unit_exponential(&mut draws) * chain.states[self.state].mean;
            self.until = from + Span::from_seconds(stays);
        }
    }
}

/// An exponential number of mean 1, from one word.
pub(super) fn unit_exponential(draws: &mut Draws) -> f64 {
    -libm::log1p(-draws.uniform())
}
