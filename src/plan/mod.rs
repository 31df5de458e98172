//! The smallest value of one free integer that holds every boundary.
//!
//! 1. The ends first: if the largest value does not hold, none is looked for.
//! 2. Bisection, every value under the same seed (common random numbers), so that values differ by
//!    what they change and not by luck. It takes for granted that more holds at least as well.
//! 3. The answer was picked because it looked good under that seed. So it is run again under a fresh
//!    one; if it does not hold there, the search goes on above it, under the fresh seed.

use indexmap::IndexMap;
use serde::Serialize;

use crate::boundary::Outcome;
use crate::measure::record::{BoundaryRecord, Run};

/// Fresh seeds that an answer may fail on before the search gives up.
const ROUNDS: u64 = 3;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Search {
    /// Path of the free value in the scenario.
    pub free: String,
    /// Smallest value allowed.
    pub from: u64,
    /// Largest value allowed.
    pub to: u64,
    /// Seed of the search.
    pub seed: u64,
}

/// Why a search makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// Nothing lies between the ends.
    #[error("`--from {from}` is larger than `--to {to}`")]
    Empty {
        /// Smallest value allowed.
        from: u64,
        /// Largest value allowed.
        to: u64,
    },
}

/// What one value came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// The value.
    pub value: u64,
    /// Under which seed.
    pub seed: u64,
    /// Whether this was a recheck on a fresh seed.
    pub recheck: bool,
    /// Whether every boundary was as expected.
    pub holds: Held,
    /// Replications it took.
    pub replications: u32,
    /// Total cost for 30 days, in the rate card's currency.
    pub per_month: Option<f64>,
    /// The boundaries.
    pub boundaries: IndexMap<String, BoundaryRecord>,
}

/// Whether every boundary was as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// All of them.
    Yes,
    /// At least one was decided otherwise.
    No,
    /// None was decided otherwise, but not all were decided.
    Inconclusive,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// What was looked for.
    pub search: Search,
    /// The smallest value that holds, rechecked; `None` where there is none.
    pub answer: Option<u64>,
    /// How that is to be read.
    pub verdict: PlanVerdict,
    /// Every value tried, in order.
    pub tried: Vec<Tried>,
}

/// How a plan is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanVerdict {
    /// The answer holds, on a fresh seed too.
    Found,
    /// Not even the largest value holds.
    NoneHolds,
    /// The largest value is not decided, or no answer stood up to fresh seeds.
    Inconclusive,
}

impl Tried {
    /// What a judged record says of a value.
    pub fn of(value: u64, seed: u64, run: &Run, outcome: Outcome) -> Self {
        Tried {
            value,
            seed,
            recheck: false,
            holds: match outcome {
                Outcome::Yes => Held::Yes,
                Outcome::No => Held::No,
                Outcome::Inconclusive => Held::Inconclusive,
            },
            replications: run.replications,
            per_month: run.cost.per_month,
            boundaries: run.boundaries.clone(),
        }
    }
}

/// Looks for the smallest value; `run` simulates one value under one seed.
///
/// # Errors
/// What `run` says.
pub fn plan<E: From<SearchError>>(
    search: Search,
    mut run: impl FnMut(u64, u64) -> Result<Tried, E>,
) -> Result<Plan, E> {
    let Search { from, to, seed, .. } = search;
    if from > to {
        return Err(SearchError::Empty { from, to }.into());
    }
    let mut tried = Vec::new();
    let mut low = from;
    for round in 0..ROUNDS {
        let seed = seed.wrapping_add(round);
        let found = smallest(low, to, seed, &mut tried, &mut run)?;
        let Some(found) = found else {
            let verdict =
                if tried.iter().rev().find(|t| t.value == to).map(|t| t.holds) == Some(Held::No) {
                    PlanVerdict::NoneHolds
                } else {
                    PlanVerdict::Inconclusive
                };
            return Ok(Plan { search, answer: None, verdict, tried });
        };
        let mut again = run(found, seed.wrapping_add(1))?;
        again.recheck = true;
        let held = again.holds;
        tried.push(again);
        if held == Held::Yes {
            return Ok(Plan { search, answer: Some(found), verdict: PlanVerdict::Found, tried });
        }
        if found == to {
            break;
        }
        low = found + 1;
    }
    Ok(Plan { search, answer: None, verdict: PlanVerdict::Inconclusive, tried })
}

/// Bisection; a value that is not decided counts as one that does not hold.
fn smallest<E>(
    from: u64,
    to: u64,
    seed: u64,
    tried: &mut Vec<Tried>,
    run: &mut impl FnMut(u64, u64) -> Result<Tried, E>,
) -> Result<Option<u64>, E> {
    let mut holds = |value: u64| -> Result<bool, E> {
        let result = run(value, seed)?;
        let held = result.holds == Held::Yes;
        tried.push(result);
        Ok(held)
    };
    if !holds(to)? {
        return Ok(None);
    }
    if from == to {
        return Ok(Some(to));
    }
    if holds(from)? {
        return Ok(Some(from));
    }
    let (mut fails, mut works) = (from, to);
    while works - fails > 1 {
        let middle = fails + (works - fails) / 2;
        if holds(middle)? { works = middle } else { fails = middle }
    }
    Ok(Some(works))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(value: u64, seed: u64, holds: Held) -> Tried {
        let boundaries = IndexMap::new();
        Tried { value, seed, recheck: false, holds, replications: 1, per_month: None, boundaries }
    }

    fn search(from: u64, to: u64) -> Search {
        Search { free: "platform.capacity.elastic.max_concurrent".to_owned(), from, to, seed: 1 }
    }

    /// A platform that needs `needs(seed)`.
    fn solve(from: u64, to: u64, needs: impl Fn(u64) -> u64) -> Plan {
        let run = |value, seed| -> Result<Tried, SearchError> {
            let holds = if value >= needs(seed) { Held::Yes } else { Held::No };
            Ok(tried(value, seed, holds))
        };
        plan(search(from, to), run).unwrap()
    }

    #[test]
    fn the_smallest_value_that_holds_is_found_wherever_it_is() {
        for needed in 3..=40 {
            let plan = solve(3, 40, |_| needed);
            assert_eq!((plan.answer, plan.verdict), (Some(needed), PlanVerdict::Found));
            assert!(plan.tried.last().unwrap().recheck);
        }
    }

    #[test]
    fn where_the_largest_fails_nothing_else_is_tried() {
        let plan = solve(1, 10, |_| 11);
        assert_eq!((plan.answer, plan.verdict), (None, PlanVerdict::NoneHolds));
        assert_eq!(plan.tried.len(), 1);
    }

    #[test]
    fn an_answer_that_only_the_search_seed_likes_is_raised() {
        let plan = solve(1, 100, |seed| if seed == 1 { 20 } else { 25 });
        assert_eq!((plan.answer, plan.verdict), (Some(25), PlanVerdict::Found));
    }

    #[test]
    fn an_answer_that_no_fresh_seed_likes_is_no_answer() {
        let plan = solve(1, 100, |seed| 10 * seed);
        assert_eq!((plan.answer, plan.verdict), (None, PlanVerdict::Inconclusive));
    }

    #[test]
    fn ends_that_are_turned_round_are_refused() {
        let run = |value, seed| Ok::<_, SearchError>(tried(value, seed, Held::Yes));
        assert_eq!(plan(search(5, 4), run), Err(SearchError::Empty { from: 5, to: 4 }));
    }
}
