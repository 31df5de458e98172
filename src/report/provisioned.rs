//! Reserved throughput against pay-as-you-go.

use super::number::{spread, three, three_or_dash};
use super::table::{Cell, Table, Tone, number, text};
use crate::measure::record::{ProvisionedRecord, Run};

/// Models that have throughput reserved, a row each.
pub(super) fn provisioned(run: &Run) -> Option<Table> {
    let heads = vec![
        text("reserved throughput of"),
        number("units"),
        number("used % (95% interval)"),
        number("break-even %"),
        number("spilled over %"),
        number("cost"),
        number("by pay-as-you-go"),
        text("reserving is"),
    ];
    let mut table = Table::new("Reserved throughput", heads);
    for (name, found) in &run.provisioned {
        let percent = |share: f64| share * 100.0;
        let interval = found.utilisation_ci95.map(|ci| ci.map(percent));
        let used = percent(found.utilisation);
        let interval = interval.map(|ci| format!(" {}", spread(used, ci))).unwrap_or_default();
        table.row([
            name.as_str().into(),
            found.units.to_string().into(),
            format!("{}{interval}", three(used)).into(),
            three_or_dash(found.break_even.map(percent)).into(),
            three(percent(found.spilled)).into(),
            three_or_dash(found.cost).into(),
            three_or_dash(found.on_demand).into(),
            verdict(found),
        ]);
    }
    table.notes.push(
        "break-even: the use, with this run's mix of tokens, from which on the reserved units cost less than \
         pay-as-you-go for what they serve; above 100% they never do"
            .to_owned(),
    );
    (!table.rows.is_empty()).then_some(table)
}

fn verdict(found: &ProvisionedRecord) -> Cell {
    match (found.break_even, found.cheaper) {
        (None, _) => "–".into(),
        (Some(_), Some(true)) => Cell::toned("cheaper", Tone::Good),
        (Some(from), _) if from > 1.0 => Cell::toned("never cheaper", Tone::Bad),
        (Some(_), Some(false)) => Cell::toned("dearer", Tone::Bad),
        (Some(_), None) => Cell::toned("undecided", Tone::Unsure),
    }
}
