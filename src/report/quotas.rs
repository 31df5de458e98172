//! Quotas: which bind, and what to ask for.

use super::number::{three, three_or_dash};
use super::table::{Cell, Table, Tone, number, text};
use crate::measure::record::{QuotaRecord, QuotaVerdict, Run};

/// Quotas, a row each; below them the lines to put into a request.
pub(super) fn quotas(run: &Run) -> Option<Table> {
    let heads = vec![
        text("quota"),
        text("of"),
        text("unit"),
        number("limit"),
        number("held up %"),
        number("peak"),
        number("demand"),
        number("ask for"),
        text("verdict"),
    ];
    let mut table = Table::new("Quotas", heads);
    for (name, quota) in &run.quotas {
        let share = if quota.asked > 0.0 { quota.held_up / quota.asked * 100.0 } else { 0.0 };
        table.row([
            name.as_str().into(),
            quota.what.as_str().into(),
            quota.unit.as_str().into(),
            three(quota.limit).into(),
            three(share).into(),
            three(quota.peak).into(),
            three(quota.demand).into(),
            three_or_dash(quota.ask).into(),
            verdict(quota),
        ]);
    }
    let first = run.quotas.values().next()?;
    let how = if first.lifted { "run again with every quota lifted" } else { "as they were run" };
    table.notes.push(format!(
        "held up: of the requests that came to it, those that waited, were refused or turned away because of it; \
         demand: the highest of {} replications {how}, so it has no interval; of a rate, its busiest window",
        first.demand_replications
    ));
    let requests = run.quotas.values().filter_map(|quota| quota.request.clone());
    table.notes.extend(requests);
    Some(table)
}

fn verdict(quota: &QuotaRecord) -> Cell {
    let (word, tone) = match quota.verdict {
        QuotaVerdict::Binds if quota.first => ("BINDS FIRST", Tone::Bad),
        QuotaVerdict::Binds => ("BINDS", Tone::Bad),
        QuotaVerdict::WouldBind => ("WOULD BIND", Tone::Bad),
        QuotaVerdict::Tight => ("tight", Tone::Unsure),
        QuotaVerdict::Ample => ("ample", Tone::Good),
    };
    Cell::toned(word, tone)
}
