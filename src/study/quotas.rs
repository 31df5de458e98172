//! Quotas as verdicts: which bind, and how much to ask for.
//!
//! A quota binds if something waited for it or was refused because of it, in the run as it is. What it
//! would have to be is not seen in that run, for who waits does not ask again; so the first replications
//! are run once more, with the same sessions and draws and every quota lifted, and the most that is used
//! then is the demand. Where nothing was held up the run itself shows the demand.

use std::sync::Arc;

use indexmap::IndexMap;

use super::replicate::{Design, replicate};
use crate::conduct::{QuotaSubject, QuotaTerms};
use crate::measure::record::{QuotaRecord, QuotaVerdict};
use crate::measure::{Gauge, Totals};
use crate::sim::{Finish, Watch};
use crate::units::Ratio;

/// Replications that are run again at most: a highest value of a few is enough to ask by.
const LIFTED: usize = 4;

/// The verdicts on all quotas of a design, by their place in the scenario.
pub(super) fn verdicts(
    design: &Design,
    totals: &[Totals],
    headroom: Ratio,
    watch: &Watch,
) -> IndexMap<String, QuotaRecord> {
    let terms = &design.setup.quotas;
    let held_up = totals.iter().flat_map(|t| &t.quotas).any(|quota| quota.held_up > 0);
    let lifted = if held_up { lifted(design, totals.len().min(LIFTED), watch) } else { None };
    let demand = lifted.as_deref().unwrap_or(totals);
    let mut records: IndexMap<String, QuotaRecord> = IndexMap::new();
    for (number, quota) in terms.iter().enumerate() {
        let record =
            Found { number, quota, totals, demand, lifted: lifted.is_some(), held_back: held_up };
        // Limits of each tenant stand at one place.
        let of = quota.of.as_ref().filter(|_| quota.path.contains("per_tenant"));
        let key = of.map_or_else(|| quota.path.clone(), |of| format!("{}: {of}", quota.path));
        records.insert(key, record.judge(headroom));
    }
    let stands =
        |r: &QuotaRecord| matches!(r.verdict, QuotaVerdict::Binds | QuotaVerdict::WouldBind);
    let tightness = |r: &QuotaRecord| r.demand / r.limit;
    let tightest = records
        .values_mut()
        .filter(|r| stands(r))
        .max_by(|a, b| tightness(a).total_cmp(&tightness(b)));
    if let Some(tightest) = tightest {
        tightest.first = true;
    }
    records
}

/// The first replications with every quota lifted; `None` if they were stopped.
fn lifted(design: &Design, replications: usize, watch: &Watch) -> Option<Vec<Totals>> {
    let setup = Arc::new(design.setup.without_quotas());
    let design = Design { setup, ..design.clone() };
    let outcomes = replicate(&design, 0, replications as u16, watch);
    let complete = outcomes.iter().all(|outcome| outcome.finish == Finish::Complete);
    complete.then(|| outcomes.into_iter().map(|outcome| outcome.totals).collect())
}

/// What was found of one quota.
struct Found<'a> {
    number: usize,
    quota: &'a QuotaTerms,
    totals: &'a [Totals],
    demand: &'a [Totals],
    lifted: bool,
    /// Whether any quota held anything up.
    held_back: bool,
}

impl Found<'_> {
    fn judge(&self, headroom: Ratio) -> QuotaRecord {
        let QuotaTerms { limit, unit, .. } = *self.quota;
        let uses = || self.totals.iter().map(|t| &t.quotas[self.number]);
        let mean = |sum: u64| sum as f64 / self.totals.len() as f64;
        let held_up: u64 = uses().map(|quota| quota.held_up).sum();
        let demand = self.peak(self.demand);
        let wanted = demand * (1.0 + headroom.0);
        let verdict = if held_up > 0 {
            QuotaVerdict::Binds
        } else if self.lifted && demand > limit {
            QuotaVerdict::WouldBind
        } else if wanted > limit {
            QuotaVerdict::Tight
        } else {
            QuotaVerdict::Ample
        };
        // A run that something held back, and that was not run again, does not show the demand.
        let known = self.lifted || !self.held_back;
        let ask = (known && verdict != QuotaVerdict::Ample).then(|| two_digits(wanted.max(limit)));
        let mut record = QuotaRecord {
            what: what(self.quota),
            unit: unit.to_owned(),
            limit,
            window_s: self.quota.window.map(|window| window.seconds()),
            asked: mean(uses().map(|quota| quota.asked).sum()),
            held_up: mean(held_up),
            peak: self.peak(self.totals),
            demand,
            demand_replications: self.demand.len() as u32,
            lifted: self.lifted,
            verdict,
            first: false,
            ask,
            request: None,
        };
        record.request = ask.map(|ask| request(&record, ask, headroom));
        record
    }

    /// The most that was used in any replication, in the unit of the limit.
    fn peak(&self, totals: &[Totals]) -> f64 {
        let of = |totals: &Totals| match self.quota.subject {
            QuotaSubject::Storage => totals.gauge(Gauge::SnapshotBytes).max().unwrap_or(0),
            _ => totals.quotas[self.number].peak(),
        };
        totals.iter().map(of).max().unwrap_or(0) as f64 * self.quota.scale
    }
}

/// What a quota limits, in words.
fn what(quota: &QuotaTerms) -> String {
    let of = quota.of.as_deref().unwrap_or_default();
    match quota.subject {
        QuotaSubject::Sandboxes => "sandboxes (sessions) at once".to_owned(),
        QuotaSubject::Vcpu => "vCPUs of all sandboxes".to_owned(),
        QuotaSubject::Memory => "memory of all sandboxes".to_owned(),
        QuotaSubject::Creates => "sandboxes created or resumed".to_owned(),
        QuotaSubject::TenantSandboxes(_) => format!("sandboxes at once of tenant {of}"),
        QuotaSubject::TenantCreates(_) => format!("sandboxes created or resumed of tenant {of}"),
        QuotaSubject::Storage => "stored snapshots".to_owned(),
        QuotaSubject::TenantSessions(_) => format!("open sessions of tenant {of}"),
        QuotaSubject::TenantTokens(_) => format!("tokens of tenant {of}"),
        QuotaSubject::ModelRequests(_) => format!("requests to model {of}"),
        QuotaSubject::ModelTokens(_) => format!("tokens of model {of}"),
        QuotaSubject::ModelReserved(_) => format!("reserved throughput of model {of}"),
        QuotaSubject::ModelConcurrency(_) => format!("calls of model {of}"),
    }
}

/// Rounded up to two digits, and to a whole number.
fn two_digits(wanted: f64) -> f64 {
    let mut step: f64 = 1.0;
    while wanted / step >= 100.0 {
        step *= 10.0;
    }
    // What is a product of shares may lie a hair above a whole number.
    (wanted / step - 1e-9).ceil() * step
}

/// `tokens of model gpt-5.5: raise 15,000,000 tokens/min to 24,000,000 tokens/min (…)`.
fn request(record: &QuotaRecord, ask: f64, headroom: Ratio) -> String {
    let QuotaRecord { what, unit, limit, demand, demand_replications: n, .. } = record;
    let window = match record.window_s {
        Some(window) => format!(" in the busiest {window} s"),
        None => String::new(),
    };
    let times =
        if *n == 1 { "simulation".to_owned() } else { format!("highest of {n} simulations") };
    let how = if record.lifted { "with no quota in the way" } else { "no quota held anything up" };
    format!(
        "Please raise {what} from {} to {} {unit}. Reason: a peak of {} {unit}{window} ({times}, {how}), and {}% headroom.",
        grouped(*limit),
        grouped(ask),
        grouped(*demand),
        headroom.0 * 100.0,
    )
}

/// `1,234.5`: digits in groups of three, at most two behind the point.
fn grouped(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let (whole, rest) = text.split_once('.').map_or((text, None), |(w, r)| (w, Some(r)));
    let mut out = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(rest) = rest {
        out.push('.');
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_has_two_digits_and_is_not_less() {
        let cases = [(6.0, 6.0), (60.000_000_000_1, 60.0), (1_418.4, 1_500.0), (101.0, 110.0)];
        for (wanted, asked) in cases {
            assert_eq!(two_digits(wanted), asked, "{wanted}");
        }
        assert_eq!(two_digits(24_000_000.000_000_01), 24_000_000.0);
        assert_eq!(two_digits(0.6), 1.0);
    }

    #[test]
    fn digits_in_groups() {
        for (value, text) in [(5.0, "5"), (1_250.0, "1,250"), (15e6, "15,000,000"), (0.333, "0.33")]
        {
            assert_eq!(grouped(value), text);
        }
    }
}
