//! Tables of what stands beside the whole run: the baseline, windows of time, looks.

use super::number::{three, three_or_dash};
use super::sections::change;
use super::table::{Table, number, text};
use crate::boundary::Quantity;
use crate::measure::record::{BaselineRecord, ChangeRecord, DecisionRecord, PartRecord, Run};

/// What people compare platforms by; the record has all.
const COMPARED: [&str; 18] = [
    "tco",
    "per_session",
    "per_turn",
    "per_month",
    "idle_cost_share",
    "token_output_ratio",
    "retry_rate",
    "success_rate",
    "cold_start.p50",
    "cold_start.p99",
    "ready.p95",
    "queue_wait.p95",
    "platform_time.mean",
    "platform_time.p95",
    "turn.mean",
    "turn.p95",
    "sandboxes_running.mean",
    "snapshot_bytes.mean",
];

/// Both arms, and the change from the baseline to the platform.
pub(super) fn baseline(run: &Run) -> Option<Table> {
    let baseline = run.baseline.as_deref()?;
    let BaselineRecord { isolation, changes, .. } = baseline;
    let heads = vec![
        text("quantity"),
        number("platform"),
        number("baseline"),
        number("change (95% interval)"),
    ];
    let mut table = Table::new(format!("Against the baseline ({isolation})"), heads);
    for name in COMPARED {
        let Some(found) = changes.get(name) else { continue };
        let Some(unit) = Quantity::named(name).map(Quantity::unit) else { continue };
        table.row([
            name.into(),
            unit.show(found.value).into(),
            unit.show(found.baseline).into(),
            changed(found).into(),
        ]);
    }
    table.notes.push(
        "both arms had the same sessions and the same draws: changes are compared replication by replication"
            .to_owned(),
    );
    (!table.rows.is_empty()).then_some(table)
}

fn changed(found: &ChangeRecord) -> String {
    match (found.change, found.change_ci95) {
        (None, _) => "–".to_owned(),
        (Some(value), interval) => {
            let few = if interval.is_none() { " (no interval)" } else { "" };
            format!("{}{few}", change(value, interval))
        }
    }
}

/// Windows of time, a row each.
pub(super) fn windows(run: &Run) -> Option<Table> {
    if run.windows.is_empty() {
        return None;
    }
    let heads = vec![
        text("window"),
        text("when"),
        number("open sessions"),
        number("queue"),
        number("queue_wait.p95 s"),
        number("cold_start.p99 s"),
        number("ready.p95 s"),
        number("turn.p95 s"),
    ];
    let mut table = Table::new("Windows of time", heads);
    for (name, window) in &run.windows {
        let PartRecord { gauges, metrics, .. } = &window.part;
        let gauge = |name: &str| three_or_dash(gauges.get(name).and_then(|g| g.mean));
        let p95 = |name: &str| three_or_dash(metrics.get(name).and_then(|m| m.p95));
        let cold = metrics.get("cold_start").and_then(|m| m.p99);
        table.row([
            name.as_str().into(),
            window.when.as_str().into(),
            gauge("sessions_open").into(),
            gauge("queue_length").into(),
            p95("queue_wait").into(),
            three_or_dash(cold).into(),
            p95("ready").into(),
            p95("turn").into(),
        ]);
    }
    table.notes.push(
        "observations that complete in the window, gauges over it; intervals stand in the record"
            .to_owned(),
    );
    Some(table)
}

/// How the verdicts were taken, in lines below them.
pub(super) fn decided(decision: &DecisionRecord) -> Vec<String> {
    let mut lines = Vec::new();
    if decision.looks.len() > 1 {
        let mut taken = decision.looks.iter().filter(|look| look.open.is_some());
        if let Some(last) = taken.next_back() {
            let looks: Vec<String> =
                decision.looks.iter().map(|look| look.replications.to_string()).collect();
            lines.push(format!(
                "decided at {} replications (looks at {}) at the {}% level, so that all looks together err in {}% of runs",
                last.replications,
                looks.join(", "),
                three(100.0 * last.level),
                three(100.0 * decision.error)
            ));
        }
    }
    if decision.intervals < decision.error {
        lines.push(format!(
            "95% intervals are drawn at the {}% level: plain ones miss more often where a study stops once it is decided",
            three(100.0 * decision.intervals)
        ));
    }
    if !decision.surprises.is_empty() {
        let names = decision.surprises.join(", ");
        lines.push(format!("not as expected, also among all boundaries together (Holm): {names}"));
    }
    lines
}
