//! Development or production, on the four boundaries of the seed article: tokens a day under 10K or
//! over 1M, concurrent agents under 10 or over 1,000, shared containers or a VM per session,
//! governance by nothing or by policies.

use super::lookup::{self, Found};
use super::quantity::{Extent, Quantity};
use super::unit::Unit;
use crate::measure::record::{Axis, Level, Run, ScorecardKey, StageRecord};
use crate::measure::{Counter, Gauge, Spread};

/// Where development ends and production begins.
struct Limits {
    development_below: f64,
    production_above: f64,
}

const TOKENS_PER_DAY: Limits = Limits { development_below: 10e3, production_above: 1e6 };
const CONCURRENT_AGENTS: Limits = Limits { development_below: 10.0, production_above: 1000.0 };

/// How the isolation tier of a run is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TierKnown {
    /// The scenario says it: all that a simulation can know.
    Declared(String),
    /// It was concluded from what was observed inside sandboxes, and why.
    Observed(String, String),
    /// Sandboxes were real, and not looked at; why.
    Unobserved(String),
}

/// The stage that `run` shows. `isolation` is the tier that its sessions ran in, `policies` how many
/// policies governed them.
pub fn judge(run: &Run, isolation: &TierKnown, policies: u64) -> StageRecord {
    let tokens =
        measured(lookup::find(run, Quantity::Score(ScorecardKey::TokensPerDay)), &TOKENS_PER_DAY);
    let agents = Quantity::Gauge(Gauge::SessionsOpen, Extent::Mean);
    let mut agents = measured(lookup::find(run, agents), &CONCURRENT_AGENTS);
    if let Some(beside) = beside_agents(run) {
        agents.why = format!("{}; {beside}", agents.why);
    }
    let isolation = isolation_axis(isolation);
    let governance = governance_axis(policies);
    let levels = [
        ("tokens_per_day", tokens.stage),
        ("concurrent_agents", agents.stage),
        ("isolation", isolation.stage),
        ("governance", governance.stage),
    ];
    StageRecord {
        verdict: overall(&levels),
        mismatches: mismatches(&levels),
        notes: vec![contradiction(run)],
        tokens_per_day: tokens,
        concurrent_agents: agents,
        isolation,
        governance,
    }
}

/// An axis that is measured: certain only if its interval does not straddle a limit.
fn measured(found: Found, limits: &Limits) -> Axis<Option<f64>> {
    let show = |value| Unit::Count.show(value);
    let (development, production) = (show(limits.development_below), show(limits.production_above));
    let estimate = match found {
        Ok(estimate) => estimate,
        Err(why) => return Axis { value: None, ci95: None, stage: Level::Between, why },
    };
    let by_value = level(estimate.value, limits);
    let says = match by_value {
        Level::Development => format!("{} is under {development}", show(estimate.value)),
        Level::Between => format!("{} is from {development} to {production}", show(estimate.value)),
        Level::Production => format!("{} is over {production}", show(estimate.value)),
    };
    let (stage, why) = match estimate.spread {
        Spread::Exact => (by_value, format!("{says}; exact: nothing is random")),
        Spread::Interval([low, high]) => {
            let interval = format!("[{}, {}]", show(low), show(high));
            if level(low, limits) == by_value && level(high, limits) == by_value {
                (by_value, format!("{says}, and so is its interval {interval}"))
            } else {
                (Level::Between, format!("{says}, but its interval {interval} straddles a limit"))
            }
        }
        Spread::OneReplication | Spread::TooFew => {
            let reason = estimate.why_none().unwrap_or_default();
            (Level::Between, format!("{says}, but not certainly so: {reason}"))
        }
    };
    Axis { value: Some(estimate.value), ci95: estimate.ci95(), stage, why }
}

fn level(value: f64, limits: &Limits) -> Level {
    if value < limits.development_below {
        Level::Development
    } else if value > limits.production_above {
        Level::Production
    } else {
        Level::Between
    }
}

/// The peak, and how many of the open sessions were working.
fn beside_agents(run: &Run) -> Option<String> {
    let peak = run.gauge(Gauge::SessionsOpen)?.max?;
    let in_turn = run.gauge(Gauge::SessionsInTurn)?.mean?;
    Some(format!(
        "at most {} at once, {} of them in a turn on average",
        Unit::Count.show(peak),
        Unit::Count.show(in_turn)
    ))
}

fn isolation_axis(tier: &TierKnown) -> Axis<String> {
    let axis = |value: &str, stage, why| Axis { value: value.to_owned(), ci95: None, stage, why };
    let declared = |tier: &str| match tier {
        "shared-container" => (Level::Development, "several sessions share a container"),
        "microvm" => (Level::Production, "each session has a virtual machine of its own"),
        _ => (Level::Between, "each session has a sandbox of its own, but no virtual machine"),
    };
    match tier {
        TierKnown::Declared(tier) => {
            let (stage, why) = declared(tier);
            axis(tier, stage, why.to_owned())
        }
        TierKnown::Observed(tier, why) => {
            let stage = match tier.as_str() {
                // Sessions that read the host's secrets have no isolation at all.
                "process" => Level::Development,
                tier => declared(tier).0,
            };
            axis(tier, stage, format!("observed: {why}"))
        }
        TierKnown::Unobserved(why) => axis("unobserved", Level::Between, why.clone()),
    }
}

fn governance_axis(policies: u64) -> Axis<u64> {
    let (stage, why) = match policies {
        0 => (Level::Development, "no policy is checked".to_owned()),
        1 => (Level::Production, "1 policy is checked".to_owned()),
        n => (Level::Production, format!("{n} policies are checked")),
    };
    Axis { value: policies, ci95: None, stage, why }
}

/// The stage that all axes agree on.
fn overall(levels: &[(&str, Level)]) -> Level {
    let first = levels.first().map_or(Level::Between, |(_, level)| *level);
    if levels.iter().all(|(_, level)| *level == first) { first } else { Level::Between }
}

/// Each axis that is behind the furthest one.
fn mismatches(levels: &[(&str, Level)]) -> Vec<String> {
    let Some(furthest) = levels.iter().map(|(_, level)| *level).max() else { return Vec::new() };
    let there: Vec<&str> =
        levels.iter().filter(|(_, l)| *l == furthest).map(|(name, _)| *name).collect();
    let verb = if there.len() == 1 { "is" } else { "are" };
    let behind = levels.iter().filter(|(_, level)| *level != furthest);
    behind
        .map(|(name, level)| {
            format!(
                "{name} is at {}, while {} {verb} at {}",
                word(*level),
                there.join(" and "),
                word(furthest)
            )
        })
        .collect()
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Development => "development",
        Level::Between => "between",
        Level::Production => "production",
    }
}

/// The seed's boundaries of tokens and of agents contradict each other; how much, with this run's turn.
fn contradiction(run: &Run) -> String {
    let each = TOKENS_PER_DAY.production_above / CONCURRENT_AGENTS.production_above;
    let mut note = format!(
        "the boundaries contradict each other: {} tokens a day over {} agents is {} tokens each, {}",
        Unit::Count.show(TOKENS_PER_DAY.production_above),
        Unit::Count.show(CONCURRENT_AGENTS.production_above),
        Unit::Count.show(each),
        match tokens_per_turn(run) {
            None => "less than one ordinary turn".to_owned(),
            Some(turn) if turn > each =>
                format!("less than one turn of this run ({} tokens)", Unit::Count.show(turn)),
            Some(turn) => {
                format!(
                    "{} turns of this run ({} tokens)",
                    Unit::Ratio.show(each / turn),
                    Unit::Count.show(turn)
                )
            }
        }
    );
    if let Some(agent) = tokens_per_agent_day(run) {
        note.push_str(&format!(
            "; an agent of this run takes {} tokens a day",
            Unit::Count.show(agent)
        ));
    }
    note
}

fn tokens_per_turn(run: &Run) -> Option<f64> {
    let tokens = run.counter(Counter::TokensInput)? + run.counter(Counter::TokensOutput)?;
    let turns = run.counter(Counter::Turns)?;
    (turns > 0.0 && tokens > 0.0).then(|| tokens / turns)
}

fn tokens_per_agent_day(run: &Run) -> Option<f64> {
    let tokens = run.scorecard.tokens_per_day?;
    let agents = run.gauge(Gauge::SessionsOpen)?.mean?;
    (agents > 0.0 && tokens > 0.0).then(|| tokens / agents)
}
