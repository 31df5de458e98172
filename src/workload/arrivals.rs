//! Arrival processes: when sessions come.
//!
//! Arrival number n is worked out from arrival n − 1 and one keyed draw, so a stream holds a few
//! words whatever its length, and the first n arrivals are the same however many are asked for.
//!
//! Candidate n draws its gap with `draw(seed, replication, n, ArrivalGap, 0)`, and under a profile
//! whether it is kept with `draw(seed, replication, n, Thinning, 0)`. Thinning (Lewis and Shedler
//! 1979): candidates come at the largest rate of the cycle, and one at time t is kept with the
//! chance factor(t) / largest factor. For Poisson arrivals that is exact. For other processes the
//! rate is exact too, but thinning mixes the gaps: where a share p is kept, a coefficient of
//! variation c becomes √(1 + p · (c² − 1)).
//!
//! In a modulated process candidate n comes when the rate, summed over the time since candidate n − 1, has
//! reached a unit exponential of the same draw. Stay k in a state lasts an exponential time of
//! `draw(seed, replication, 0, ArrivalState, k)`; stay 0 draws the state first, by its share of the
//! time, which, the rest of a stay being exponential too, makes the process stationary from time 0.

use std::sync::Arc;

use super::modulated::{Chain, Walk, unit_exponential};
use super::plan::SessionPlan;
use super::profile::{ProfileCurve, ProfileError};
use crate::dist::{Dist, DistError};
use crate::random::{Draws, Purpose};
use crate::scenario::types::{Arrivals, Profile};
use crate::units::{Count, Quantity, Rate, Span, Time};

/// When sessions arrive: the same for all replications, cheap to clone.
#[derive(Clone, Debug)]
pub struct ArrivalProcess {
    kind: Kind,
    profile: Option<ProfileCurve>,
    compress: f64,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Independent gaps: this shape, of mean 1, times this mean in seconds.
    Gaps { shape: Dist<Count>, mean: f64 },
    /// Poisson arrivals at the rate of a state.
    Modulated(Chain),
    /// Arrival k at k times this gap.
    Every(Span),
    /// The times of a trace, in its order.
    Recorded(Arc<Vec<SessionPlan>>),
    /// As one leaves the next arrives.
    Closed(u64),
}

/// Why there is no such arrival process.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArrivalError {
    /// The rate is zero or no number.
    #[error("the arrival rate is {0}: expected a rate above zero, such as `40/min`")]
    Rate(String),
    /// A modulated process has no state, one that lasts no time, or none with arrivals.
    #[error("`mmpp` needs states that last, at least one of them with a rate above zero")]
    States,
    /// The gap is zero.
    #[error("`every: 0s` puts infinitely many arrivals at time 0: expected a gap above zero")]
    Gap,
    /// The gaps' distribution is none.
    #[error("the arrivals' gaps cannot be drawn: {0}")]
    Gaps(#[from] DistError),
    /// The profile is none.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A profile multiplies a rate, and there is none.
    #[error(
        "a `profile` moves an arrival rate, and {0} have none: give `poisson`, `mmpp` or `renewal`"
    )]
    NoRate(&'static str),
    /// The population is zero.
    #[error("`closed: {{population: 0}}` has nobody: expected 1 or more")]
    Nobody,
}

impl ArrivalProcess {
    /// The process that a scenario describes.
    ///
    /// # Errors
    /// If a rate, gap or population is zero, the profile is none, or there is no rate for it.
    pub fn new(arrivals: &Arrivals, profile: Option<&Profile>) -> Result<Self, ArrivalError> {
        let profile = profile.map(ProfileCurve::new).transpose()?;
        let kind = match arrivals {
            Arrivals::Poisson { rate } => gaps(Dist::exponential(Count(1.0))?, *rate)?,
            Arrivals::Renewal { rate, cv } if cv.0 == 0.0 => {
                gaps(Dist::constant(Count(1.0)), *rate)?
            }
            Arrivals::Renewal { rate, cv } => gaps(Dist::gamma(Count(1.0), cv.0)?, *rate)?,
            Arrivals::Mmpp { states } => {
                Kind::Modulated(Chain::new(states).ok_or(ArrivalError::States)?)
            }
            Arrivals::Every(gap) if gap.is_zero() => return Err(ArrivalError::Gap),
            Arrivals::Every(gap) => Kind::Every(*gap),
            Arrivals::Closed { population: 0 } => return Err(ArrivalError::Nobody),
            Arrivals::Closed { .. } if profile.is_some() => {
                return Err(ArrivalError::NoRate("closed arrivals"));
            }
            Arrivals::Closed { population } => Kind::Closed(*population),
        };
        Ok(ArrivalProcess { kind, profile, compress: 1.0 })
    }

    /// Poisson arrivals that keep `sessions` open on average, by Little's law, if a session stays
    /// for `planned` (see [`length`](super::length)).
    ///
    /// # Errors
    /// If either is zero, or the profile is none.
    pub fn open_sessions(
        sessions: Count,
        planned: Span,
        profile: Option<&Profile>,
    ) -> Result<Self, ArrivalError> {
        let rate = Rate::from_base(sessions.0 / planned.seconds());
        Self::new(&Arrivals::Poisson { rate }, profile)
    }

    /// The arrival times of recorded sessions, which are sorted by them.
    ///
    /// # Errors
    /// If there is a profile: recorded times have no rate that it could raise.
    pub fn recorded(
        sessions: Arc<Vec<SessionPlan>>,
        profile: Option<&Profile>,
    ) -> Result<Self, ArrivalError> {
        if profile.is_some() {
            return Err(ArrivalError::NoRate("recorded times"));
        }
        Ok(ArrivalProcess { kind: Kind::Recorded(sessions), profile: None, compress: 1.0 })
    }

    /// The same process with its waited time divided by `factor`: gaps, recorded times, and the
    /// profile's cycle.
    pub fn compressed(mut self, factor: Count) -> Self {
        self.compress *= factor.0;
        self
    }

    /// Sessions that are always open, if the process is closed; its stream is empty.
    pub fn population(&self) -> Option<u64> {
        if let Kind::Closed(population) = self.kind { Some(population) } else { None }
    }

    /// Mean arrivals per time, over whole cycles of the profile; `None` where there is no rate.
    pub fn mean_rate(&self) -> Option<Rate> {
        let gap = match &self.kind {
            Kind::Gaps { mean, .. } => *mean,
            Kind::Modulated(chain) => 1.0 / chain.mean_rate(),
            Kind::Every(gap) => gap.seconds(),
            Kind::Recorded(_) | Kind::Closed(_) => return None,
        };
        let factor = self.profile.as_ref().map_or(1.0, ProfileCurve::mean);
        Some(Rate::from_base(factor * self.compress / gap))
    }

    /// The arrivals of one replication, in order of time.
    pub fn stream(&self, seed: u64, replication: u16) -> ArrivalStream {
        let mut process = self.clone();
        let largest = process.profile.as_ref().map_or(1.0, ProfileCurve::max);
        match &mut process.kind {
            Kind::Gaps { mean, .. } => *mean /= largest * self.compress,
            Kind::Modulated(chain) => chain.speed_up(largest, self.compress),
            Kind::Every(gap) => *gap = gap.compressed(largest * self.compress),
            Kind::Recorded(_) | Kind::Closed(_) => {}
        }
        let walk = match &process.kind {
            Kind::Modulated(chain) => Some(chain.walk(seed, replication)),
            Kind::Gaps { .. } | Kind::Every(_) | Kind::Recorded(_) | Kind::Closed(_) => None,
        };
        ArrivalStream { process, seed, replication, candidate: 0, clock: Time::ZERO, walk }
    }
}

fn gaps(shape: Dist<Count>, rate: Rate) -> Result<Kind, ArrivalError> {
    let mean = 1.0 / rate.per_second();
    if mean.is_finite() && mean > 0.0 {
        Ok(Kind::Gaps { shape, mean })
    } else {
        Err(ArrivalError::Rate(rate.to_string()))
    }
}

/// The arrival times of one replication, lazily. An open process goes on for ever: take what lies
/// within the horizon.
#[derive(Clone, Debug)]
pub struct ArrivalStream {
    process: ArrivalProcess,
    seed: u64,
    replication: u16,
    candidate: u64,
    clock: Time,
    /// Where a modulated process is.
    walk: Option<Walk>,
}

impl ArrivalStream {
    /// The next candidate, before thinning.
    fn propose(&mut self) -> Option<Time> {
        match &self.process.kind {
            Kind::Gaps { shape, mean } => {
                let (seed, replication) = (self.seed, self.replication);
                let mut draws =
                    Draws::new(seed, replication, self.candidate, Purpose::ArrivalGap, 0);
                let gap = shape.sampler().sample(&mut draws) * mean;
                self.clock += Span::from_seconds(gap);
            }
            Kind::Modulated(chain) => {
                let (seed, replication) = (self.seed, self.replication);
                let mut draws =
                    Draws::new(seed, replication, self.candidate, Purpose::ArrivalGap, 0);
                let walk = self.walk.as_mut().expect("a modulated process walks");
                self.clock = walk.next(chain, self.clock, unit_exponential(&mut draws));
            }
            Kind::Every(gap) => {
                let nanos = gap.nanos().checked_mul(self.candidate)?;
                self.clock = Time::from_nanos(nanos);
            }
            Kind::Recorded(sessions) => {
                let arrival = sessions.get(usize::try_from(self.candidate).ok()?)?.arrival;
                let waited = arrival.since(Time::ZERO).compressed(self.process.compress);
                self.clock = Time::ZERO + waited;
            }
            Kind::Closed(_) => return None,
        }
        self.candidate += 1;
        // A clock at its end would give the same instant for ever.
        (self.clock < Time::MAX).then_some(self.clock)
    }

    fn kept(&self, at: Time) -> bool {
        let Some(profile) = &self.process.profile else { return true };
        let natural = Time::ZERO + at.since(Time::ZERO).compressed(1.0 / self.process.compress);
        let chance = profile.factor(natural) / profile.max();
        let number = self.candidate - 1;
        Draws::new(self.seed, self.replication, number, Purpose::Thinning, 0).bernoulli(chance)
    }
}

impl Iterator for ArrivalStream {
    type Item = Time;

    fn next(&mut self) -> Option<Time> {
        loop {
            let at = self.propose()?;
            if self.kept(at) {
                return Some(at);
            }
        }
    }
}

#[cfg(test)]
#[path = "arrivals_tests.rs"]
mod tests;
