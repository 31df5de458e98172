//! What people read, by a small record made by hand.

use indexmap::IndexMap;

use super::*;
use crate::billing::{Rates, Usage, price};
use crate::measure::record::{
    Axis, BoundaryRecord, ComparisonRecord, GaugeIntervals, GaugeRecord, Kind, Level,
    MetricIntervals, MetricRecord, ProvisionedRecord, Quality, QuotaRecord, QuotaVerdict,
    ReplicationRecord, Run, SCHEMA, Scorecard, SideRecord, StageRecord, StartRecord, StateRecord,
    Verdict,
};
use crate::measure::{Gauge, SeriesPoint};
use crate::scenario::types::{Expect, StageName};
use crate::units::Time;

fn metric(mean: f64, ci95: Option<MetricIntervals>) -> MetricRecord {
    let some = |factor: f64| Some(mean * factor);
    MetricRecord {
        unit: "s".to_owned(),
        count: 12_345,
        mean: Some(mean),
        stddev: some(0.5),
        cv: Some(0.5),
        min: some(0.1),
        p50: some(0.9),
        p90: some(1.5),
        p95: some(2.0),
        p99: some(3.0),
        p999: some(4.0),
        max: some(5.0),
        ci95,
    }
}

fn boundary(require: &str, value: f64, verdict: Verdict, expected: Expect) -> BoundaryRecord {
    BoundaryRecord {
        require: require.to_owned(),
        value: Some(value),
        ci95: Some([value * 0.9, value * 1.1]),
        verdict,
        expected,
        stage: Some(StageName::Production),
        level: None,
        interval: None,
        during: None,
        margin: Some(0.25),
        binding: expected == Expect::Holds,
        why: "as the hand that made it says".to_owned(),
        note: (expected == Expect::Broken).then(|| "a claim | with a bar".to_owned()),
    }
}

fn axis<T>(value: T, stage: Level, why: &str) -> Axis<T> {
    Axis { value, ci95: None, stage, why: why.to_owned() }
}

/// A record of three replications, or of one.
fn record(replications: usize) -> Run {
    let several = replications > 1;
    let interval = |mean: f64| {
        let mean = Some([mean * 0.95, mean * 1.05]);
        several.then_some(MetricIntervals {
            mean,
            p50: mean.map(|ci| ci.map(|e| e * 0.9)),
            ..MetricIntervals::default()
        })
    };
    let metrics = [
        ("cold_start", metric(3.456_78, interval(3.456_78))),
        ("queue_wait", MetricRecord { unit: "s".to_owned(), ..MetricRecord::default() }),
        ("session", metric(9634.2, interval(9634.2))),
    ];
    let gauge = |unit: &str, mean: f64| GaugeRecord {
        unit: unit.to_owned(),
        mean: Some(mean),
        min: Some(0.0),
        max: Some(mean * 2.0),
        integral: mean * 86_400.0,
        ci95: several.then_some(GaugeIntervals { mean: Some([mean * 0.9, mean * 1.1]) }),
    };
    let gauges =
        [("sessions_open", gauge("count", 61.3)), ("snapshot_bytes", gauge("bytes", 5.5e9))];
    let boundaries = [
        ("cold-start", boundary("cold_start.p95 < 15s", 6.9, Verdict::Holds, Expect::Holds)),
        ("claimed", boundary("cold_start.p50 < 1s", 3.1, Verdict::Broken, Expect::Broken)),
        ("idle-cost", boundary("idle_cost_share < 10%", 0.1, Verdict::Inconclusive, Expect::Holds)),
    ];
    let usage =
        Usage { measured_s: 86_400.0, sessions_completed: 100.0, turns: 500.0, ..Usage::default() };
    let mut cost = price(&usage, &Rates::default());
    (cost.compute, cost.compute_idle, cost.tokens_output, cost.tco) = (20.0, 5.0, 80.0, 100.0);
    (cost.per_session, cost.idle_cost_share) = (Some(1.0), Some(0.05));
    cost.ci95 =
        if several { IndexMap::from([("tco".to_owned(), [90.0, 110.0])]) } else { IndexMap::new() };
    let named = |name: &str| name.to_owned();
    Run {
        schema: SCHEMA.to_owned(),
        kind: Kind::Simulated,
        scenario: serde_json::json!({"name": "by-hand"}),
        hash: "0123456789abcdef".to_owned(),
        seed: 42,
        replications: u32::try_from(replications).unwrap(),
        measured_s: 86_400.0,
        warmup_s: 3600.0,
        counters: [("sessions_arrived", 523.0), ("kills", 0.0), ("sessions_in_flight", 61.0)]
            .map(|(name, value)| (named(name), value))
            .into(),
        metrics: metrics.map(|(name, metric)| (named(name), metric)).into(),
        gauges: gauges.map(|(name, gauge)| (named(name), gauge)).into(),
        usage,
        cost,
        scorecard: Scorecard {
            retry_rate: Some(0.0123),
            success_rate: Some(0.999),
            ..Scorecard::default()
        },
        boundaries: boundaries.map(|(name, boundary)| (named(name), boundary)).into(),
        baseline: None,
        windows: IndexMap::new(),
        quotas: IndexMap::new(),
        provisioned: IndexMap::new(),
        comparison: None,
        decision: None,
        input: None,
        stage: Some(StageRecord {
            tokens_per_day: axis(Some(4.2e9), Level::Production, "4.2G is over 1M"),
            concurrent_agents: axis(Some(61.3), Level::Between, "61.3 is from 10 to 1000"),
            isolation: axis(named("microvm"), Level::Production, "a virtual machine each"),
            governance: axis(3, Level::Production, "3 policies are checked"),
            verdict: Level::Between,
            mismatches: vec![named("concurrent_agents is at between")],
            notes: vec![named("the boundaries contradict each other")],
        }),
        per_replication: vec![ReplicationRecord::default(); replications],
        quality: Quality { warnings: vec![named("a warning")], ..Quality::default() },
    }
}

fn terminal(run: &Run, look: Look) -> String {
    let tables: Vec<String> = sections(run).iter().map(|t| t.terminal(look)).collect();
    format!("{}\n\n{}", headline(run), tables.join("\n"))
}

#[test]
fn tables_on_a_pipe() {
    insta::assert_snapshot!(terminal(&record(3), Look::default()));
}

#[test]
fn tables_of_one_replication_say_why_there_are_no_intervals() {
    let text = terminal(&record(1), Look::default());
    assert!(text.contains("no intervals: one replication says nothing about the next"));
    assert!(!text.contains('±') && !text.contains("(few)"), "{text}");
}

#[test]
fn an_exact_record_needs_no_intervals_and_says_so() {
    let mut run = record(1);
    run.quality.exact = true;
    assert!(terminal(&run, Look::default()).contains("nothing in this run is random"));
}

#[test]
fn colour_adds_codes_and_nothing_else() {
    let run = record(3);
    let plain = terminal(&run, Look::default());
    let colour = terminal(&run, Look { colour: true, width: None });
    assert!(colour.contains("\u{1b}[32mHOLDS\u{1b}[0m"), "{colour}");
    let mut bare = colour;
    for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[1;31m"] {
        bare = bare.replace(code, "");
    }
    assert_eq!(bare, plain);
}

#[test]
fn a_terminal_is_never_too_narrow_for_its_lines() {
    let text = terminal(&record(3), Look { colour: false, width: Some(80) });
    let tables = text.lines().filter(|line| line.contains('─'));
    assert!(tables.clone().count() > 0, "a terminal shows lines:\n{text}");
    for line in tables {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn markdown() {
    let tables: Vec<String> = sections(&record(3)).iter().map(Table::markdown).collect();
    insta::assert_snapshot!(tables.join("\n"));
}

#[test]
fn csv_has_full_precision() {
    let text = tidy_csv(&[("simulated", &record(3))]).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn a_partial_or_invalid_record_says_so_whatever_else_it_says() {
    let mut run = record(3);
    (run.quality.valid, run.quality.complete) = (false, false);
    let text = terminal(&run, Look::default());
    assert!(text.contains("INVALID") && text.contains("PARTIAL"), "{text}");
}

#[test]
fn the_page_is_whole_and_fetches_nothing() {
    let mut run = record(3);
    run.quality.warnings = vec!["<script>alert(1)</script>".to_owned()];
    let series: Vec<SeriesPoint> = (0..10)
        .map(|k| {
            let mut values = [0; Gauge::COUNT];
            values[Gauge::SessionsOpen as usize] = k * k;
            SeriesPoint {
                at: Time::from_nanos(u64::try_from(k).unwrap() * 3_600_000_000_000),
                values,
            }
        })
        .collect();
    let page =
        html("by-hand", &[], &[Part { name: "Record", run: &run, series: &series }]).unwrap();
    assert!(page.contains("<svg") && page.contains("sessions_open"), "a chart is drawn");
    assert_eq!(page.matches("<svg").count(), 1, "a chart of nothing is left out");
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "text is escaped");
    for outside in ["http://", "https://", "src=", "url("] {
        assert!(!page.contains(outside), "the page fetches {outside}");
    }
    assert_eq!(page.matches("<table>").count(), page.matches("</table>").count());
}

/// A quota that binds, one that another hides, and one that is ample.
fn quotas() -> IndexMap<String, QuotaRecord> {
    let quota = |what: &str, unit: &str, limit: f64, demand: f64, verdict| {
        let binds = verdict == QuotaVerdict::Binds;
        let asks = verdict != QuotaVerdict::Ample;
        QuotaRecord {
            what: what.to_owned(),
            unit: unit.to_owned(),
            limit,
            window_s: None,
            asked: 400.0,
            held_up: if binds { 100.0 } else { 0.0 },
            peak: demand.min(limit),
            demand,
            demand_replications: 4,
            lifted: true,
            verdict,
            first: binds,
            ask: asks.then_some(demand * 1.2),
            request: asks.then(|| format!("Please raise {what}.")),
        }
    };
    let all = [
        quota("sandboxes at once", "sandboxes", 50.0, 100.0, QuotaVerdict::Binds),
        quota("tokens of model m", "tokens/min", 15e6, 20e6, QuotaVerdict::WouldBind),
        quota("requests to model m", "requests/min", 15_000.0, 900.0, QuotaVerdict::Ample),
    ];
    let places = ["slots", "tpm", "rpm"].map(str::to_owned);
    places.into_iter().zip(all).collect()
}

fn side(isolation: &str, shared: bool) -> SideRecord {
    SideRecord {
        isolation: isolation.to_owned(),
        sandboxes_per_host: shared.then_some(12.5),
        cold_start: StartRecord {
            count: 700.0,
            mean: Some(3.2),
            mean_ci95: Some([3.1, 3.3]),
            cv: Some(0.45),
            p99: Some(9.1),
        },
        idle_cost_share: Some(if shared { 0.31 } else { 0.002 }),
        idle_cost_share_ci95: None,
        idle_cost_per_day: Some(if shared { 42.0 } else { 0.5 }),
        state: StateRecord {
            keeps: if shared { "nothing" } else { "files" }.to_owned(),
            returns: if shared { 0.0 } else { 120.0 },
            found: (!shared).then_some(0.99),
            recovery_p95: (!shared).then_some(3.5),
        },
        identity: (!shared).then(|| "session".to_owned()),
        identities_per_session: if shared { 0.0 } else { 1.02 },
    }
}

#[test]
fn what_is_judged_beside_the_boundaries() {
    let mut run = record(3);
    run.quotas = quotas();
    let provisioned = |utilisation: f64, from: f64, cheaper| ProvisionedRecord {
        units: 15,
        utilisation,
        utilisation_ci95: Some([utilisation - 0.02, utilisation + 0.02]),
        spilled: 0.12,
        cost: Some(360.0),
        on_demand: Some(360.0 * utilisation / from),
        break_even: Some(from),
        cheaper,
    };
    run.provisioned = [
        ("a".to_owned(), provisioned(0.6, 0.4, Some(true))),
        ("b".to_owned(), provisioned(0.4, 0.4, None)),
        ("c".to_owned(), provisioned(0.6, 2.8, Some(false))),
    ]
    .into();
    run.comparison = Some(Box::new(ComparisonRecord {
        against: "traditional-shared-container@2026-11".to_owned(),
        replications: 4,
        traditional: side("shared-container", true),
        platform: side("microvm", false),
    }));
    let new = |table: &Table| {
        ["Quotas", "Reserved", "Traditional"].iter().any(|name| table.title.starts_with(name))
    };
    let tables: Vec<String> =
        sections(&run).iter().filter(|t| new(t)).map(Table::markdown).collect();
    insta::assert_snapshot!(tables.join("\n"));
    // All of it is on the page too.
    let page = html("by-hand", &[], &[Part { name: "Record", run: &run, series: &[] }]).unwrap();
    for told in ["BINDS FIRST", "Please raise tokens of model m.", "never cheaper", "keeps files"] {
        assert!(page.contains(told), "{told}");
    }
}
