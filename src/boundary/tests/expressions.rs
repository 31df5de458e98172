//! What expressions mean, and what is said of those that mean nothing.

use std::fmt::Write as _;

use proptest::prelude::*;

use crate::billing::CostKey;
use crate::boundary::{Comparison, Expr, Extent, Quantity, Stat, Unit, names};
use crate::measure::record::ScorecardKey;
use crate::measure::{Counter, Gauge, Metric};

#[test]
fn quantities_comparisons_and_values_are_read() {
    use Comparison::{AtLeast, AtMost, Greater, Less};
    let gauge = |gauge, extent| Quantity::Gauge(gauge, extent);
    for (text, quantity, comparison, threshold) in [
        ("cold_start.p99 < 1s", Quantity::Metric(Metric::ColdStart, Stat::P99), Less, 1.0),
        ("scale_out.p95<5min", Quantity::Metric(Metric::ScaleOut, Stat::P95), Less, 300.0),
        ("  turn.mean  >=  1m30s ", Quantity::Metric(Metric::Turn, Stat::Mean), AtLeast, 90.0),
        ("metrics.turn.p999 <= 250ms", Quantity::Metric(Metric::Turn, Stat::P999), AtMost, 0.25),
        ("restore.count > 100", Quantity::Metric(Metric::Restore, Stat::Count), Greater, 100.0),
        ("queue_length.max < 500", gauge(Gauge::QueueLength, Extent::Max), Less, 500.0),
        ("queue_length < 0.5", gauge(Gauge::QueueLength, Extent::Mean), Less, 0.5),
        ("snapshot_bytes < 2GiB", gauge(Gauge::SnapshotBytes, Extent::Mean), Less, 2_147_483_648.0),
        ("concurrent_agents > 1000", gauge(Gauge::SessionsOpen, Extent::Mean), Greater, 1000.0),
        ("concurrent_agents.max > 1K", gauge(Gauge::SessionsOpen, Extent::Max), Greater, 1000.0),
        ("kills <= 0", Quantity::Counter(Counter::Kills), AtMost, 0.0),
        ("sessions_in_flight < 10", Quantity::InFlight { at_start: false }, Less, 10.0),
        ("tokens_input < 80M", Quantity::Counter(Counter::TokensInput), Less, 80e6),
        ("cost.tokens_input < $80", Quantity::Cost(CostKey::TokensInput), Less, 80.0),
        ("tco < $1_500.5", Quantity::Cost(CostKey::Tco), Less, 1500.5),
        ("per_session < $0.25", Quantity::Cost(CostKey::PerSession), Less, 0.25),
        ("idle_cost_share < 0.1%", Quantity::Cost(CostKey::IdleCostShare), Less, 0.001),
        ("retry_rate < 5%", Quantity::Score(ScorecardKey::RetryRate), Less, 0.05),
        ("success_rate >= 0.995", Quantity::Score(ScorecardKey::SuccessRate), AtLeast, 0.995),
        (
            "scorecard.token_output_ratio <= 2.5",
            Quantity::Score(ScorecardKey::TokenOutputRatio),
            AtMost,
            2.5,
        ),
        ("tokens_per_day > 1M", Quantity::Score(ScorecardKey::TokensPerDay), Greater, 1e6),
        (
            "memory_overhead_bytes < 128MiB",
            Quantity::Score(ScorecardKey::MemoryOverheadBytes),
            Less,
            134_217_728.0,
        ),
        ("model_error.turn.p95 < 10%", Quantity::ModelError(Metric::Turn, Stat::P95), Less, 0.1),
    ] {
        let expr = Expr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((expr.quantity, expr.comparison), (quantity, comparison), "{text}");
        assert!(
            (expr.threshold - threshold).abs() <= 1e-12 * threshold.abs(),
            "{text}: {}",
            expr.threshold
        );
    }
}

#[test]
fn every_listed_name_can_be_written() {
    for name in names() {
        let complete =
            if Metric::from_name(&name).is_some() { format!("{name}.p99") } else { name };
        let quantity =
            Quantity::parse(&complete).unwrap_or_else(|error| panic!("{complete}: {error:?}"));
        let value = match quantity.unit() {
            Unit::Time => "1s",
            Unit::Bytes => "1GiB",
            Unit::Count => "1",
            Unit::Money => "$1",
            Unit::Share | Unit::Ratio | Unit::Change => "5%",
        };
        Expr::parse(&format!("{complete} < {value}")).unwrap();
    }
}

const WRONG: [&str; 40] = [
    "",
    "   ",
    "cold_start",
    "cold_start < 1s",
    "cold_start.p98 < 1s",
    "cold_start.p9 < 1s",
    "cold_start.p99",
    "cold_start.p99 <",
    "cold_start.p99 1s",
    "cold_start.p99 below 1s",
    "cold_start.p99 = 1s",
    "cold_start.p99 == 1s",
    "cold_start.p99 != 1s",
    "cold_start.p99 =< 1s",
    "cold_start.p99 ≤ 1s",
    "cold_start.p99 <> 1s",
    "cold_start.p99 < 1",
    "cold_start.p99 < 1GiB",
    "cold_start.p99 < $1",
    "cold_start.p99 < 5%",
    "cold_start.p99 < 1 sparsec",
    "cold_start.p99 < -1s",
    "cold_start.p99 < soon",
    "cold_start.p99 < 1s < 2s",
    "cold_start.p99 < 1s && tco < $5",
    "colt_start.p99 < 1s",
    "nonsense < 1s",
    "1s > cold_start.p99",
    "$5 >= tco",
    "< 1s",
    "snapshot_bytes.max < 5",
    "queue_length.p99 < 5",
    "kills.max < 5",
    "cost.turns < 5",
    "tco < 150",
    "tokens_input < $5",
    "retry_rate < 5",
    "retry_rate < 5s",
    "idle_cost_share < 0.1x",
    "model_error.turm.p95 < 5%",
];

#[test]
fn wrong_expressions_say_where_and_what_to_write() {
    let mut shown = String::new();
    for text in WRONG {
        let error = Expr::parse(text).expect_err(text);
        assert!(
            error.at.start <= error.at.end && error.at.end <= text.len(),
            "{text}: {:?}",
            error.at
        );
        let before = text[..error.at.start].chars().count();
        let carets = text[error.at.clone()].chars().count().max(1);
        writeln!(shown, "{text}\n{}{} {error}", " ".repeat(before), "^".repeat(carets)).unwrap();
        if let Some(suggestion) = &error.suggestion {
            let mended =
                format!("{}{suggestion}{}", &text[..error.at.start], &text[error.at.end..]);
            writeln!(shown, "=> {mended}").unwrap();
        }
        shown.push('\n');
    }
    insta::assert_snapshot!(shown);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[ a-z_.0-9<>=≤$%-]{0,24}") {
        if let Err(error) = Expr::parse(&text) {
            prop_assert!(text.get(error.at.clone()).is_some(), "{:?} in {:?}", error.at, text);
        }
    }
}
