//! Stages on the seed's boundaries.

use super::{empty_run, with_agents, with_tokens_per_day};
use crate::boundary::{TierKnown, stage as judge};
use crate::measure::record::{Level, Run, StageRecord};

fn run(tokens: f64, agents: f64) -> Run {
    let run = with_agents(empty_run(), agents, Some([agents * 0.99, agents * 1.01]));
    with_tokens_per_day(run, tokens, [tokens * 0.98, tokens * 1.02])
}

fn stage(run: &Run, tier: &str, policies: u64) -> StageRecord {
    judge(run, &TierKnown::Declared(tier.to_owned()), policies)
}

#[test]
fn all_four_axes_must_agree() {
    for (tokens, agents, isolation, policies, verdict) in [
        (5e9, 1200.0, "microvm", 3, Level::Production),
        (5e3, 4.0, "shared-container", 0, Level::Development),
        (5e9, 1200.0, "container", 3, Level::Between),
        (5e9, 1200.0, "microvm", 0, Level::Between),
        (5e9, 200.0, "microvm", 3, Level::Between),
        (5e5, 1200.0, "microvm", 3, Level::Between),
        (5e3, 4.0, "process", 0, Level::Between),
        (5e5, 100.0, "gvisor", 1, Level::Between),
    ] {
        let record = stage(&run(tokens, agents), isolation, policies);
        assert_eq!(record.verdict, verdict, "{record:?}");
    }
}

#[test]
fn the_limits_themselves_are_between() {
    let exact = |tokens, agents| {
        let mut run = run(tokens, agents);
        run.quality.exact = true;
        let record = stage(&run, "microvm", 1);
        (record.tokens_per_day.stage, record.concurrent_agents.stage)
    };
    assert_eq!(exact(10e3, 10.0), (Level::Between, Level::Between));
    assert_eq!(exact(1e6, 1000.0), (Level::Between, Level::Between));
    assert_eq!(exact(9_999.0, 9.99), (Level::Development, Level::Development));
    assert_eq!(exact(1_000_001.0, 1000.1), (Level::Production, Level::Production));
}

#[test]
fn a_straddling_or_missing_interval_is_not_certain() {
    let straddling = stage(&run(5e9, 1005.0), "microvm", 1);
    assert_eq!(
        (straddling.concurrent_agents.stage, straddling.verdict),
        (Level::Between, Level::Between)
    );
    assert!(
        straddling.concurrent_agents.why.contains("straddles"),
        "{}",
        straddling.concurrent_agents.why
    );
    let mut single = with_agents(run(5e9, 1200.0), 1200.0, None);
    single.per_replication.truncate(1);
    let single = stage(&single, "microvm", 1);
    assert_eq!(single.concurrent_agents.stage, Level::Between);
    assert!(
        single.concurrent_agents.why.contains("one replication"),
        "{}",
        single.concurrent_agents.why
    );
    let empty = stage(&empty_run(), "microvm", 1);
    assert_eq!((empty.verdict, empty.tokens_per_day.value), (Level::Between, None));
}

#[test]
fn what_was_observed_in_sandboxes_decides_and_not_a_name() {
    let of = |known: TierKnown| judge(&run(5e9, 1200.0), &known, 1).isolation;
    let observed =
        |tier: &str| of(TierKnown::Observed(tier.to_owned(), "its own boot id".to_owned()));
    for (tier, level) in [
        ("process", Level::Development),
        ("shared-container", Level::Development),
        ("container", Level::Between),
        ("gvisor", Level::Between),
        ("unknown", Level::Between),
        ("microvm", Level::Production),
    ] {
        let axis = observed(tier);
        assert_eq!((axis.value.as_str(), axis.stage), (tier, level));
        assert_eq!(axis.why, "observed: its own boot id");
    }
    let not = of(TierKnown::Unobserved("the run was cut short".to_owned()));
    assert_eq!((not.value.as_str(), not.stage), ("unobserved", Level::Between));
    assert_eq!(not.why, "the run was cut short");
}

#[test]
fn mismatches_name_what_is_behind() {
    let record = stage(&run(5e9, 1200.0), "container", 0);
    assert_eq!(
        record.mismatches,
        [
            "isolation is at between, while tokens_per_day and concurrent_agents are at production",
            "governance is at development, while tokens_per_day and concurrent_agents are at production",
        ]
    );
    assert_eq!(stage(&run(5e9, 1200.0), "microvm", 1).mismatches, Vec::<String>::new());
}

#[test]
fn the_contradiction_is_told_with_this_runs_numbers() {
    let mut busy = run(5e9, 1250.0);
    let contradiction = "the boundaries contradict each other: 1M tokens a day over 1000 agents is 1000 tokens each, ";
    for (counter, n) in [("tokens_input", 3.6e6), ("tokens_output", 0.4e6), ("turns", 100.0)] {
        busy.counters.insert(counter.to_owned(), n);
    }
    // A turn takes 4M / 100 = 40,000 tokens; an agent 5G / 1,250 = 4M a day.
    assert_eq!(
        stage(&busy, "microvm", 1).notes,
        [format!(
            "{contradiction}less than one turn of this run (40000 tokens); an agent of this run takes 4M tokens a day"
        )]
    );
    busy.counters.insert("turns".to_owned(), 10_000.0);
    let short = &stage(&busy, "microvm", 1).notes[0];
    assert!(short.contains("2.5 turns of this run (400 tokens)"), "{short}");
    let quiet = &stage(&empty_run(), "microvm", 1).notes[0];
    assert_eq!(*quiet, format!("{contradiction}less than one ordinary turn"));
}
