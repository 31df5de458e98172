//! A cost, line by line: quantity × rate = amount, by which rule, from which source.

use indexmap::IndexMap;

use super::number::three;
use super::sections;
use super::table::{Table, number, text};
use crate::billing::{Cost, CostLine};
use crate::measure::record::Run;
use crate::scenario::Origin;

/// A record's cost: its parts, their lines, and the sources of the prices.
pub fn cost_tables(run: &Run) -> Vec<Table> {
    [sections::cost(run), lines(&run.cost), sources(&run.cost)].into_iter().flatten().collect()
}

/// The lines of a cost, if it has any.
pub(super) fn lines(cost: &Cost) -> Option<Table> {
    let heads = vec![
        text("part"),
        text("what"),
        number("quantity"),
        text("unit"),
        text("rate"),
        number("amount"),
        text("rule"),
        text("rate from"),
    ];
    let mut table = Table::new("Cost, line by line", heads);
    for line in &cost.lines {
        let part = if line.idle { "compute (idle)" } else { line.part.name() };
        table.row([
            part.into(),
            line.what.as_str().into(),
            three(line.quantity).into(),
            line.unit.as_str().into(),
            line.rate.as_str().into(),
            three(line.amount).into(),
            line.rule.as_str().into(),
            line.source.as_ref().map_or_else(|| "–".to_owned(), short).into(),
        ]);
    }
    table.notes.push(format!(
        "amount = quantity × rate, in {}; run.json has every digit (cost.lines)",
        cost.currency
    ));
    (!table.rows.is_empty()).then_some(table)
}

/// Preset or place, and the date.
fn short(origin: &Origin) -> String {
    match origin {
        Origin::Preset { preset, date: Some(date), .. } => format!("{preset}, {date}"),
        Origin::Preset { preset, .. } => preset.clone(),
        other => other.to_string(),
    }
}

/// Where each price comes from, once for each.
fn sources(cost: &Cost) -> Option<Table> {
    let heads = vec![text("price"), text("rate"), text("mark"), text("date"), text("source")];
    let mut table = Table::new("Sources of the prices", heads);
    let by_key: IndexMap<&str, &CostLine> =
        cost.lines.iter().map(|line| (line.key.as_str(), line)).collect();
    for (key, line) in by_key {
        let dash = || "–".to_owned();
        let (mark, date, source) = match &line.source {
            Some(Origin::Preset { preset, mark, source, date }) => (
                mark.map_or_else(dash, |mark| mark.to_string()),
                date.clone().unwrap_or_else(dash),
                source.as_ref().map_or_else(
                    || format!("preset {preset}"),
                    |source| format!("preset {preset}: {source}"),
                ),
            ),
            Some(other) => (dash(), dash(), other.to_string()),
            None => (dash(), dash(), dash()),
        };
        table.row([key.into(), line.rate.as_str().into(), mark.into(), date.into(), source.into()]);
    }
    (!table.rows.is_empty()).then_some(table)
}
