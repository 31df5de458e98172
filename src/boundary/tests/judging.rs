//! The logic of verdicts.

use indexmap::IndexMap;

use super::{empty_run, with_agents, with_cold_start};
use crate::billing::{Rates, Usage, price};
use crate::boundary::{
    Boundaries, Expr, Judgement, Levels, LiveSessions, Outcome, Parts, Stat, decide, find,
};
use crate::measure::record::{ReplicationMetric, Run, Verdict};
use crate::measure::{Estimate, Metric, Recorder, Spread, TurnSample};
use crate::scenario::types::{Boundary, Expect};
use crate::units::{Span, Time};

fn boundaries(text: &str) -> Boundaries {
    let specs: IndexMap<String, Boundary> = serde_yaml::from_str(text).unwrap();
    Boundaries::parse(&specs).unwrap()
}

fn judge(run: &Run, text: &str) -> Judgement {
    boundaries(text).judge(run)
}

#[test]
fn the_verdict_follows_the_whole_interval() {
    use Verdict::{Broken, Holds, Inconclusive};
    let interval = Spread::Interval;
    let exact = Spread::Exact;
    for (text, value, spread, verdict) in [
        ("turn.mean < 1s", 0.8, interval([0.7, 0.9]), Holds),
        ("turn.mean < 1s", 0.8, interval([0.6, 1.0]), Inconclusive),
        ("turn.mean < 1s", 0.8, interval([0.5, 1.1]), Inconclusive),
        ("turn.mean < 1s", 1.2, interval([0.9, 1.5]), Inconclusive),
        ("turn.mean < 1s", 1.2, interval([1.0, 1.4]), Broken),
        ("turn.mean < 1s", 1.2, interval([1.1, 1.3]), Broken),
        ("turn.mean <= 1s", 0.9, interval([0.8, 1.0]), Holds),
        ("turn.mean <= 1s", 1.1, interval([1.0, 1.2]), Inconclusive),
        ("turn.mean <= 1s", 1.1, interval([1.01, 1.2]), Broken),
        ("turn.mean > 1s", 1.2, interval([1.1, 1.3]), Holds),
        ("turn.mean > 1s", 1.2, interval([1.0, 1.4]), Inconclusive),
        ("turn.mean > 1s", 0.8, interval([0.6, 1.0]), Broken),
        ("turn.mean >= 1s", 1.2, interval([1.0, 1.4]), Holds),
        ("turn.mean >= 1s", 0.8, interval([0.6, 1.0]), Inconclusive),
        ("turn.mean >= 1s", 0.8, interval([0.7, 0.9]), Broken),
        ("turn.mean < 1s", 1.0, interval([1.0, 1.0]), Broken),
        ("turn.mean <= 1s", 1.0, interval([1.0, 1.0]), Holds),
        ("turn.mean < 1s", 0.999, exact, Holds),
        ("turn.mean < 1s", 1.0, exact, Broken),
        ("turn.mean >= 1s", 1.0, exact, Holds),
        ("turn.mean < 1s", 0.001, Spread::OneReplication, Inconclusive),
        ("turn.mean < 1s", 1000.0, Spread::OneReplication, Inconclusive),
        ("turn.mean < 1s", 0.001, Spread::TooFew, Inconclusive),
    ] {
        let expr = Expr::parse(text).unwrap();
        let (found, why) = decide(&expr, &Estimate { value, spread });
        assert_eq!(found, verdict, "{text} with {value} {spread:?}: {why}");
    }
}

#[test]
fn the_reason_is_told_with_interval_and_threshold() {
    let said = |text: &str, value, spread| {
        decide(&Expr::parse(text).unwrap(), &Estimate { value, spread }).1
    };
    let interval = Spread::Interval;
    assert_eq!(
        said("turn.p99 < 1s", 0.83, interval([0.8, 0.86])),
        "830 ms [800 ms, 860 ms] lies below 1 s"
    );
    assert_eq!(
        said("turn.p99 < 1s", 1.5, interval([1.25, 1.75])),
        "1.5 s [1.25 s, 1.75 s] lies at or above 1 s"
    );
    assert_eq!(
        said("tco <= $5", 4.5, interval([4.25, 4.75])),
        "$4.5 [$4.25, $4.75] lies at or below $5"
    );
    assert_eq!(
        said("success_rate > 99.5%", 0.99, interval([0.98, 0.993])),
        "99% [98%, 99.3%] lies at or below 99.5%"
    );
    assert_eq!(
        said("retry_rate < 5%", 0.05, interval([0.04, 0.06])),
        "5% [4%, 6%] straddles 5%: more replications would narrow it"
    );
    assert_eq!(
        said("turn.p99 < 1s", 0.5, Spread::Exact),
        "500 ms is below 1 s; exact: nothing is random"
    );
    assert_eq!(
        said("turn.p99 < 1s", 0.5, Spread::OneReplication),
        "500 ms against 1 s, but one replication has no interval"
    );
    assert_eq!(
        said("turn.p99 < 1s", 0.5, Spread::TooFew),
        "500 ms against 1 s, but too few observations for an interval: measure longer"
    );
}

#[test]
fn expectations_decide_the_outcome() {
    let run =
        with_cold_start(with_agents(empty_run(), 50.0, Some([48.0, 52.0])), 0.8, Some([0.7, 0.9]));
    let holds = "a: cold_start.p99 < 1s\n";
    let broken = "b: cold_start.p99 < 100ms\n";
    let expected = "c: {require: cold_start.p99 < 100ms, expect: broken}\n";
    let surprise = "d: {require: cold_start.p99 < 1s, expect: broken}\n";
    let open = "e: concurrent_agents < 51\n";
    for (text, outcome, code) in [
        (String::from("{}"), Outcome::Yes, 0),
        (holds.to_owned(), Outcome::Yes, 0),
        (format!("{holds}{expected}"), Outcome::Yes, 0),
        (broken.to_owned(), Outcome::No, 1),
        (surprise.to_owned(), Outcome::No, 1),
        (format!("{holds}{open}"), Outcome::Inconclusive, 4),
        (format!("{open}{broken}"), Outcome::No, 1),
        (format!("{broken}{open}"), Outcome::No, 1),
    ] {
        let judgement = judge(&run, &text);
        assert_eq!((judgement.outcome, judgement.outcome.exit_code()), (outcome, code), "{text}");
    }
    assert_eq!(judge(&run, expected).boundaries["c"].expected, Expect::Broken);
}

#[test]
fn an_invalid_or_unfinished_run_decides_nothing() {
    let text = "a: cold_start.p99 < 1s\nb: cold_start.p99 < 100ms";
    for spoil in
        [|run: &mut Run| run.quality.valid = false, |run: &mut Run| run.quality.complete = false]
    {
        let mut run = with_cold_start(empty_run(), 0.8, Some([0.7, 0.9]));
        spoil(&mut run);
        let judgement = judge(&run, text);
        assert_eq!(judgement.outcome, Outcome::Inconclusive);
        assert!(judgement.boundaries.values().all(|b| b.verdict == Verdict::Inconclusive));
        assert_eq!(judge(&run, "{}").outcome, Outcome::Inconclusive, "even without a boundary");
    }
}

#[test]
fn nothing_observed_is_inconclusive_not_kept() {
    let judgement = judge(&empty_run(), "a: cold_start.p99 < 1s");
    let boundary = &judgement.boundaries["a"];
    assert_eq!((boundary.verdict, boundary.value), (Verdict::Inconclusive, None));
    assert_eq!(boundary.why, "no cold_start was observed");
    let mut run = empty_run();
    run.quality.exact = true;
    assert_eq!(
        judge(&run, "a: cold_start.p99 < 1s").outcome,
        Outcome::Inconclusive,
        "not even if exact"
    );
}

#[test]
fn what_a_record_lacks_is_said() {
    let run = empty_run();
    for (text, why) in [
        (
            "model_error.turn.p95 < 5%",
            "not available in this record: it takes a live run and its simulation",
        ),
        ("tco.change < -30%", "not available in this record: there is no baseline to compare with"),
        ("retry_rate < 5%", "retry_rate has nothing to divide by in this run"),
        ("per_session < $1", "per_session has nothing to divide by in this run"),
        ("kills < 5", "not available in this record: not every replication has it"),
    ] {
        let boundary = &judge(&run, &format!("a: {text}")).boundaries["a"];
        assert_eq!(
            (boundary.verdict, boundary.why.as_str()),
            (Verdict::Inconclusive, why),
            "{text}"
        );
    }
}

#[test]
fn a_cost_without_prices_is_not_cheap() {
    let mut run = empty_run();
    run.usage.vcpu_seconds.turn = 1e6;
    run.cost = price(&run.usage, &Rates::default());
    let boundary = &judge(&run, "a: tco < $1").boundaries["a"];
    assert_eq!(boundary.verdict, Verdict::Inconclusive);
    assert!(boundary.why.contains("gives no prices"), "{}", boundary.why);
}

#[test]
fn one_replication_decides_only_what_is_exact() {
    let mut run = with_cold_start(empty_run(), 0.8, None);
    run.per_replication.truncate(1);
    run.replications = 1;
    assert_eq!(
        judge(&run, "a: cold_start.p99 < 1s").boundaries["a"].verdict,
        Verdict::Inconclusive
    );
    run.quality.exact = true;
    let boundary = &judge(&run, "a: cold_start.p99 < 1s").boundaries["a"];
    assert_eq!((boundary.verdict, boundary.ci95), (Verdict::Holds, None));
    assert_eq!(judge(&run, "a: cold_start.p99 < 700ms").boundaries["a"].verdict, Verdict::Broken);
}

#[test]
fn margins_are_relative_and_the_least_of_those_to_hold_binds() {
    let run =
        with_cold_start(with_agents(empty_run(), 50.0, Some([49.0, 51.0])), 0.8, Some([0.7, 0.9]));
    let judgement = judge(
        &run,
        "slack: concurrent_agents < 100\n\
         tight: cold_start.p99 < 1s\n\
         zero: concurrent_agents > 0\n\
         known: {require: cold_start.p99 < 100ms, expect: broken, why: as seen, stage: production}",
    );
    let margin = |name: &str| judgement.boundaries[name].margin;
    assert!((margin("slack").unwrap() - 0.5).abs() < 1e-12);
    assert!((margin("tight").unwrap() - 0.2).abs() < 1e-12);
    assert!((margin("known").unwrap() + 7.0).abs() < 1e-12);
    assert_eq!(margin("zero"), None);
    let binding: Vec<_> =
        judgement.boundaries.iter().filter(|(_, b)| b.binding).map(|(n, _)| n.as_str()).collect();
    assert_eq!(binding, ["tight"]);
    assert_eq!(judgement.boundaries["known"].note.as_deref(), Some("as seen"));
}

#[test]
fn an_extreme_that_was_seen_is_a_fact() {
    let mut run = with_cold_start(empty_run(), 0.8, None);
    let maxima = [1.0, 1.1, 0.9, 1.0];
    run.per_replication = maxima
        .iter()
        .map(|max| {
            let metric =
                ReplicationMetric { count: 100, max: Some(*max), ..ReplicationMetric::default() };
            let mut replication = crate::measure::record::ReplicationRecord::default();
            replication.metrics.insert("cold_start".to_owned(), metric);
            replication
        })
        .collect();
    let verdict =
        |text: &str| judge(&run, &format!("a: cold_start.max {text}")).boundaries["a"].verdict;
    // Seen: 1.1 s. Mean of the maxima 1 s, t(3) · 0.0816 / 2 = 0.130: up to 1.130 s.
    assert_eq!(verdict("< 1.1s"), Verdict::Broken);
    assert_eq!(verdict("< 1.12s"), Verdict::Inconclusive);
    assert_eq!(verdict("< 1.2s"), Verdict::Holds);
    assert_eq!(verdict("> 1.05s"), Verdict::Holds);
}

#[test]
fn counters_have_intervals_over_replications() {
    let mut run = empty_run();
    for (replication, kills) in run.per_replication.iter_mut().zip([4.0, 6.0]) {
        replication.counters.insert("kills".to_owned(), kills);
    }
    let expr = Expr::parse("kills < 100").unwrap();
    let found = find(&run, expr.quantity).unwrap();
    // Mean 5, t(1) · √2 / √2 = 12.706.
    let [low, high] = found.ci95().unwrap();
    assert!((low + 7.706_205).abs() < 1e-5 && (high - 17.706_205).abs() < 1e-5, "{low} {high}");
    let _: &Usage = &run.usage;
}

#[test]
fn all_wrong_expressions_are_reported_with_their_names() {
    let text = "good: tco < $5\nbad: tco < 5\nworse: nothing < 1";
    let specs: IndexMap<String, Boundary> = serde_yaml::from_str(text).unwrap();
    let errors = Boundaries::parse(&specs).unwrap_err();
    let names: Vec<_> = errors.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["bad", "worse"]);
}

/// The error of a live run's twin: judged by its size over the live sessions, and carried into the
/// record at full scale, which cannot tell it.
#[test]
fn a_models_error_is_judged_over_live_sessions_and_told_at_full_scale() {
    let turns: Vec<TurnSample> = (0..40)
        .map(|session| {
            let length = Span::from_millis(100 + session);
            TurnSample { session, length, platform_time: length }
        })
        .collect();
    let totals = Recorder::new(1, 0).finish(Time::from_nanos(1), 0);
    let text = "{a: model_error.platform_time.p50 < 5%, b: cold_start.p99 < 1s}";
    let specs = boundaries(text);
    for (value, ends, verdict, outcome) in [
        (0.03, [0.01, 0.04], Verdict::Holds, Outcome::Yes),
        (0.03, [0.0, 0.06], Verdict::Inconclusive, Outcome::Inconclusive),
        (0.3, [0.2, 0.4], Verdict::Broken, Outcome::No),
    ] {
        let estimate = Estimate { value, spread: Spread::Interval(ends) };
        let sessions = LiveSessions::of(&totals, &turns).with_model_error(vec![(
            Metric::PlatformTime,
            Stat::P50,
            estimate,
        )]);
        let mut live = empty_run();
        let parts = Parts { sessions: Some(&sessions), ..Parts::of(&live) };
        live.boundaries = specs.judge_parts(&parts, &Levels::USUAL).boundaries;
        let judged = &live.boundaries["a"];
        assert_eq!((judged.verdict, judged.value), (verdict, Some(value)), "{}", judged.why);
        assert!(judged.why.contains("40 sessions"), "{}", judged.why);
        let mut full = with_cold_start(empty_run(), 0.5, Some([0.4, 0.6]));
        full.boundaries = specs.judge(&full).boundaries;
        assert_eq!(full.boundaries["a"].verdict, Verdict::Inconclusive);
        assert_eq!(specs.with_model_error(&mut full, &live), outcome);
        assert_eq!(full.boundaries["a"], live.boundaries["a"]);
        assert_eq!(full.boundaries["b"].verdict, Verdict::Holds, "its own are left alone");
    }
}
